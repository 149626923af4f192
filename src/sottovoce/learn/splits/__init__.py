"""Splits: protocols, folds, and the checks that no split goes without."""
