"""Recordings in memory: `Audio` is samples with their rate, read from any source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from sottovoce.audio.decode import (
    MAX_CHANNELS,
    Block,
    all_finite,
    checked_rate,
    decode,
    not_finite,
)
from sottovoce.audio.libsndfile import BLOCK
from sottovoce.audio.sources import fetched, is_address, plain, samples_of
from sottovoce.errors import AudioError

Samples: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, eq=False, slots=True)
class Audio:
    """Samples and the rate they were taken at.

    Args:
        samples: (channels, samples), or (samples,) for one channel, of NumPy or PyTorch. Where the
            first axis is longer than 64, the most channels that there may be, and the second is
            not, it is (samples, channels), as soundfile and Gradio give it. Floats are kept as
            they are, nominally -1..1; int8, int16, int32 and uint8 are scaled from their range to
            -1..1.
        sample_rate: Hz.

    Raises:
        AudioError: the array or the rate cannot be a recording, or samples are NaN or infinite.
    """

    samples: Samples
    sample_rate: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", _checked_samples(self.samples))
        object.__setattr__(self, "sample_rate", checked_rate(self.sample_rate, "the array given"))

    @classmethod
    def read(
        cls,
        source: Source,
        *,
        sample_rate: int | None = None,
        mono: bool = True,
        watch: Callable[[float], None] | None = None,
    ) -> Audio:
        """Decode a recording, block by block, so that memory is what the result needs.

        wav, flac, ogg, opus, mp3 and the other formats of libsndfile; m4a, mp4 and webm where the
        extra `media` is installed. A file cut short, or one whose header is wrong about its
        length, gives what is there.

        Args:
            source: a `Source`.
            sample_rate: resample to this rate, Hz; None keeps the recording's own.
            mono: mix the channels down to their mean.
            watch: called while a file is decoded, after each block, with the seconds so far; what
                it raises ends the reading.

        Raises:
            AudioError: the source cannot be opened or decoded; one line says why.
            MissingExtraError: the format needs PyAV and it is not installed.
        """
        given = plain(source)
        if isinstance(given, (tuple, Audio)):
            audio = given if isinstance(given, Audio) else cls(*given)
            audio = audio.mono() if mono else audio
            return audio if sample_rate is None else audio.resample(sample_rate)
        target = None if sample_rate is None else checked_rate(sample_rate, "the rate asked for")
        with ExitStack() as stack:
            rate, blocks = open_blocks(given, stack)
            if watch is not None:
                blocks = watched(blocks, rate, watch)
            if mono:
                blocks = (block.mean(axis=1, keepdims=True) for block in blocks)
            return cls.from_blocks(rate, blocks, target)

    @classmethod
    def from_blocks(
        cls, rate: int, blocks: Iterator[Block], sample_rate: int | None = None
    ) -> Audio:
        """Join the blocks that `open_blocks` gives.

        Args:
            rate: of the blocks, Hz.
            blocks: of (frames, channels).
            sample_rate: resample to this rate, Hz; None keeps their own.
        """
        if sample_rate is not None and sample_rate != rate:
            blocks = _resampled(blocks, rate, sample_rate)
        return cls(_joined(blocks), sample_rate or rate)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.sample_rate)

    @property
    def peak(self) -> float:
        """Largest absolute sample, full scale = 1; 0 for an empty recording."""
        return float(max(self.samples.max(), -self.samples.min())) if self.samples.size else 0.0

    @property
    def rms(self) -> float:
        """Root mean square of all channels without their offset, full scale = 1."""
        power = 0.0
        for channel in self.samples:
            mean = channel.mean(dtype=np.float64) if channel.size else 0.0
            for start in range(0, channel.size, BLOCK):
                block = channel[start : start + BLOCK] - mean
                power += float(np.dot(block, block))
        return float(np.sqrt(power / max(1, self.samples.size)))

    def mono(self) -> Audio:
        """Mix the channels down to their mean."""
        if self.channels == 1:
            return self
        return Audio(self.samples.mean(axis=0), self.sample_rate)

    def split(self) -> tuple[Audio, ...]:
        """Give each channel as a recording of its own."""
        return tuple(Audio(channel, self.sample_rate) for channel in self.samples)

    def resample(self, sample_rate: int) -> Audio:
        """Convert to another sample rate (Hz) with soxr at high quality."""
        target = checked_rate(sample_rate, "the rate asked for")
        if target == self.sample_rate:
            return self
        blocks = (self.samples[:, i : i + BLOCK].T for i in range(0, self.samples.shape[1], BLOCK))
        return Audio(_joined(_resampled(blocks, self.sample_rate, target), self.channels), target)

    def crop(self, start: float, end: float) -> Audio:
        """Cut out the part from `start` to `end`, in seconds, as far as the recording has it."""
        first, last = (
            round(min(max(seconds, 0.0), self.duration) * self.sample_rate)
            for seconds in (start, end)
        )
        return Audio(self.samples[:, first : max(first, last)], self.sample_rate)


class SampleDecoder(Protocol):
    """What decodes itself, as torchcodec's `AudioDecoder` does."""

    def get_all_samples(self) -> DecodedSamples:
        """All of it."""


class DecodedSamples(Protocol):
    """Samples with their rate, as torchcodec's `AudioSamples`."""

    @property
    def data(self) -> Any:
        """(channels, samples)."""

    @property
    def sample_rate(self) -> int:
        """Hz."""


Source: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | BinaryIO
    | Audio
    | tuple[Any, Any]
    | Mapping[str, Any]
    | SampleDecoder
    | DecodedSamples
)
"""What can be read: a path; an address such as https://... or s3://..., with the extra `remote`;
the bytes of a file; a binary file object, read from its start; `Audio`; an array, as `Audio` takes
it, with its rate in Hz, in a pair in either order; a dict as Hugging Face gives it, with `array`
and `sampling_rate`, or with `bytes` or `path`; a torchcodec decoder, or what it gives."""


def open_blocks(source: Source, stack: ExitStack) -> tuple[int, Iterator[Block]]:
    """A recording's rate in Hz, and its samples in blocks of (frames, channels).

    Args:
        source: a `Source`.
        stack: closes what was opened.

    Raises:
        AudioError: as for `Audio.read`.
        MissingExtraError: as for `Audio.read`.
    """
    given = plain(source)
    if isinstance(given, (tuple, Audio)):
        audio = given if isinstance(given, Audio) else Audio(*given)
        starts = range(0, audio.samples.shape[1], BLOCK)
        return audio.sample_rate, (audio.samples[:, i : i + BLOCK].T for i in starts)
    return decode(fetched(given, stack) if is_address(given) else given, stack)


def watched(blocks: Iterator[Block], rate: int, watch: Callable[[float], None]) -> Iterator[Block]:
    """Pass blocks on, calling `watch` with the seconds so far after each."""
    frames = 0
    for block in blocks:
        frames += len(block)
        watch(frames / rate)
        yield block


def _resampled(blocks: Iterator[Block], rate: int, target: int) -> Iterator[Block]:
    stream: soxr.ResampleStream | None = None
    for block in blocks:
        if stream is None:
            channels = block.shape[1]
            stream = soxr.ResampleStream(rate, target, channels, dtype="float32", quality="HQ")
        yield stream.resample_chunk(np.ascontiguousarray(block))
    if stream is not None:
        yield stream.resample_chunk(np.empty((0, channels), np.float32), last=True)


def _joined(blocks: Iterator[Block], channels: int = 1) -> Samples:
    """Join blocks of (frames, channels) to (channels, frames), letting go of each when copied."""
    parts = list(blocks)
    channels = parts[0].shape[1] if parts else channels
    end = sum(len(part) for part in parts)
    joined = np.empty((channels, end), np.float32)
    while parts:
        part = parts.pop()
        joined[:, end - len(part) : end] = part.T
        end -= len(part)
    return joined


def _checked_samples(samples: Any) -> Samples:
    array = samples_of(samples)
    if array.ndim == 1:
        array = array[np.newaxis]
    elif array.ndim == 2 and array.shape[0] > MAX_CHANNELS >= array.shape[1] > 0:
        array = array.T
    if array.ndim != 2 or not 1 <= array.shape[0] <= MAX_CHANNELS:
        raise AudioError(
            f"an array of shape {array.shape}; expected (samples,) or (channels, samples) with at "
            f"most {MAX_CHANNELS} channels; transpose it if samples come first"
        )
    if array.dtype in (np.int8, np.int16, np.int32):
        array = array / np.float32(-float(np.iinfo(array.dtype).min))
    elif array.dtype == np.uint8:  # as in wav files, where silence is 128
        array = (array.astype(np.float32) - 128) / 128
    elif array.dtype.kind != "f":
        raise AudioError(
            f"an array of {array.dtype}; expected floats in -1..1, or int8, int16, int32 or uint8"
        )
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(array, dtype=np.float32)
    if not all_finite(floats):
        bad = np.flatnonzero(~np.isfinite(floats).all(axis=0))
        raise not_finite("the array given", bad.size, int(bad[0]))
    return floats
