"""Recordings in memory: decoding from any file, bytes or array, and resampling."""

from sottovoce.audio.audio import Audio, Samples, Source

__all__ = ["Audio", "Samples", "Source"]
