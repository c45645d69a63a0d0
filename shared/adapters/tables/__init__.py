"""Azure Table Storage: one module per table, over the official async client."""
