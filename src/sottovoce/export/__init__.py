"""A timeline as other programs read it."""
