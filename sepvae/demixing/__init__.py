"""Separation of what several microphones hear: demixing matrices, spatial models and the source models behind them."""
