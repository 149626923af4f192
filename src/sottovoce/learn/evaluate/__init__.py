"""Evaluation: metrics, intervals, calibration, reports, and a model file on labelled corpora."""
