"""RAVDESS: 24 actors, eight emotions."""
NAME = "ravdess"
