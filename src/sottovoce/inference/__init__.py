"""Inference: from a recording or a stream to predictions, segments and explanations."""
