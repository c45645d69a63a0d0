"""Use cases. They speak to ports only; `shared.bootstrap` decides what stands behind them."""
