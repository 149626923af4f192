"""Audits of a model: requirements, their thresholds, and what is measured for them."""
