"""The whole product on one machine: a development tool, never deployed."""
