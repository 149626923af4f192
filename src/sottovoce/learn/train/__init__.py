"""Training: one network, one fold, a cross-validation, the final model."""
