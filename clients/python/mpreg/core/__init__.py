"""The names of upstream's package, and what stands behind them."""
