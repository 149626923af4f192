"""Models that take a profile: an embedding of the voice, and three classifiers that stand on it."""
