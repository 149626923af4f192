"""The samples in a stream's binary messages: their encodings, and a guess where one is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio
from sottovoce.errors import AudioError
from sottovoce.inference.predictor import MAX_PEAK
from sottovoce.results import Problem
from sottovoce.serve.errors import ServiceError

SAMPLE_TYPES: Mapping[str, np.dtype[Any]] = {
    "pcm16": np.dtype("<i2"),
    "float32": np.dtype("<f4"),
    "mulaw": np.dtype("u1"),
    "alaw": np.dtype("u1"),
}
"""encoding -> one sample of one channel; little-endian, channels in turn."""

GUESSED_WORDS = 4000
"""Words of 32 bits, zeros left out, from which an encoding is guessed: a quarter of a second of
float32 at 16 kHz."""
GUESSES = 8
"""Times that is done at most: a recording may begin with hardly a sound."""

WORDS = np.dtype("<u4")


class SampleReader:
    """Makes samples of a stream's frames; what a frame cuts in two is held over to the next.

    Args:
        encoding: one of `SAMPLE_TYPES`.
        channels: that come in turn.
        sample_rate: Hz.
    """

    def __init__(self, encoding: str, channels: int, sample_rate: int) -> None:
        self._encoding, self._channels, self._rate = encoding, channels, sample_rate
        self._type = SAMPLE_TYPES[encoding]
        self._step = self._type.itemsize * channels
        self._guess = EncodingGuess(encoding)
        self._held = b""

    def read(self, frame: bytes) -> Audio:
        """The whole samples in the next bytes, which may be any number.

        Raises:
            ServiceError: they are no sound; none of them is kept.
        """
        self._guess.add(frame)
        content = self._held + frame
        end = len(content) - len(content) % self._step
        self._held = content[end:]
        samples = np.frombuffer(content[:end], self._type).reshape(-1, self._channels).T
        if self._type.kind == "u":
            samples = g711_table(self._encoding)[samples]
        try:
            audio = Audio(samples, self._rate)
        except AudioError as error:
            message = str(error).removeprefix("the array given: ")
            raise ServiceError(422, "bad_frame", message) from None
        if audio.peak > MAX_PEAK:
            message = f"samples reach {audio.peak:.3g}; scale them to -1..1"
            raise ServiceError(422, "bad_frame", message)
        return audio

    def problems(self) -> list[Problem]:
        """That the encoding seems to be another one; given once."""
        likely, self._guess.likely = self._guess.likely, None
        if likely is None:
            return []
        message = (
            f"this looks like {likely} sent as {self._encoding}; open the stream again with "
            f'"encoding": "{likely}"'
        )
        return [Problem(code="wrong_encoding", message=message)]

    def last_problems(self) -> list[Problem]:
        """That the end cut a sample in two."""
        if not self._held:
            return []
        sample = "a sample" if self._channels == 1 else f"a sample of {self._channels} channels"
        message = (
            f"the last {len(self._held)} of {self._step} bytes of {sample} of {self._encoding} "
            "were left out: the rest never came"
        )
        return [Problem(code="bad_frame", message=message)]


class EncodingGuess:
    """Tells float32 from pcm16 by the first bytes of a stream.

    Float32 between -1 and 1, read as 16 bit, has every second value in two narrow bands far from 0
    (the sign and the exponent), which no sound in 16 bit has. Sound in 16 bit, read as float32,
    is mostly beyond 1e12 or no number (small negative values) or below 1e-30 (small positive ones).

    Args:
        encoding: as the client says.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._rest = b""
        self._words = np.empty(0, WORDS)
        self._guesses_left = GUESSES if encoding in ("pcm16", "float32") else 0
        self.likely: str | None = None
        """The encoding that it seems to be, if it seems to be the other one."""

    def add(self, content: bytes) -> None:
        """Look at the next bytes, until there are enough to tell."""
        if not self._guesses_left:
            return
        content = self._rest + content
        end = len(content) - len(content) % WORDS.itemsize
        self._rest = content[end:]
        words = np.frombuffer(content[:end], WORDS)
        self._words = np.concatenate([self._words, words[words != 0]])
        while self._words.size >= GUESSED_WORDS and self._guesses_left:
            self._guess(self._words[:GUESSED_WORDS])
            self._words = self._words[GUESSED_WORDS:]

    def _guess(self, words: NDArray[np.uint32]) -> None:
        is_float = looks_like_float32(words)
        if self._encoding == "pcm16" and is_float:
            self.likely = "float32"
        elif self._encoding == "float32" and not is_float and looks_like_pcm16(words):
            self.likely = "pcm16"
        self._guesses_left = 0 if self.likely else self._guesses_left - 1


def looks_like_float32(words: NDArray[np.uint32]) -> bool:
    """Whether words of 32 bits are float32 samples, about -1..1.

    Args:
        words: (n,), none of them 0.
    """
    values = words.view("<f4")
    if not np.isfinite(values).all():
        return False
    size, low = np.abs(values), (words & 0x7FFF) >> 7
    in_band = (low > 0x60) & (low < 0x82)  # as it would be if both halves were one loud offset
    return bool(size.max() <= MAX_PEAK and np.mean(size > 1e-9) > 0.3 and in_band.mean() < 0.5)


def looks_like_pcm16(words: NDArray[np.uint32]) -> bool:
    """Whether words of 32 bits, read as float32, are so far from it that they are 16 bit samples.

    Args:
        words: (n,), none of them 0.
    """
    with np.errstate(invalid="ignore"):
        size = np.abs(words.view("<f4"))
        is_huge, is_tiny = ~(size < 1e12), size < 1e-30
    several = np.unique(words[is_huge] >> 16).size > 3  # not one NaN again and again
    return bool(several and is_huge.mean() > 0.15 and (is_huge | is_tiny).mean() > 0.3)


@cache
def g711_table(law: str) -> NDArray[np.int16]:
    """(256,) code -> 16 bit sample of ITU-T G.711's mu-law or A-law.

    A code is a sign, three bits of segment and four of step, sent with all bits inverted (mu-law)
    or every second one (A-law). Each segment is twice as wide as the one before; mu-law has an
    offset of 33 in steps of 4, so that zero is in the first one, and A-law's first two are equal.
    """
    if law == "mulaw":
        code = np.arange(256) ^ 0xFF
        segment, step = code >> 4 & 7, code & 15
        size = (8 * step + 4 * 33 << segment) - 4 * 33
        return np.asarray(np.where(code & 0x80, -size, size), np.int16)
    code = np.arange(256) ^ 0x55
    segment, step = code >> 4 & 7, code & 15
    size = 16 * step + 8 + np.where(segment > 0, 256, 0) << np.maximum(segment - 1, 0)
    return np.asarray(np.where(code & 0x80, size, -size), np.int16)
