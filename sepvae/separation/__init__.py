"""Separation: masks, the estimator that is trained, and the separator that runs it on recordings of any length."""
