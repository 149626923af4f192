"""Undertone hears how something is said: speech emotion recognition for files and arrays."""
