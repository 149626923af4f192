"""Recordings in memory: `Audio` is samples with their rate, read from any source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio.convert import Block, Mixer, resampled
from sottovoce.audio.decode import MAX_CHANNELS, all_finite, checked_rate, decode, not_finite
from sottovoce.audio.libsndfile import BLOCK
from sottovoce.audio.quality import SoundCheck
from sottovoce.audio.sources import fetched, is_address, plain, samples_of
from sottovoce.errors import AudioError
from sottovoce.results import Warnings

Samples: TypeAlias = NDArray[np.float32]

Watch: TypeAlias = Callable[[float, int], None]
"""Called after each block that is decoded, with the seconds so far and the samples of the block, of
all channels; what it raises ends the reading."""


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
        warnings: what was not heard of the recording, or is odd about its sound; None where nobody
            has looked yet. `Audio.read` looks.

    Raises:
        AudioError: the array or the rate cannot be a recording, or samples are NaN or infinite.
    """

    samples: Samples
    sample_rate: int
    warnings: Warnings | None = None

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
        watch: Watch | None = None,
    ) -> Audio:
        """Decode a recording, block by block, so that memory is what the result needs.

        wav, flac, ogg, opus, mp3 and the other formats of libsndfile; m4a, mp4, webm and what else
        FFmpeg decodes where the extra `media` is installed. A file cut short, damaged, or one whose
        header is wrong about its length, gives what is there, and `warnings` say so.

        Args:
            source: a `Source`.
            sample_rate: resample to this rate, Hz; None keeps the recording's own.
            mono: mix the channels down to their mean, or take the loudest where they cancel.
            watch: called while a file is decoded, after each block.

        Raises:
            AudioError: the source cannot be opened or decoded; one line says why.
            MissingExtraError: the format needs PyAV and it is not installed.
        """
        given = plain(source)
        if isinstance(given, (tuple, Audio)):
            audio = given if isinstance(given, Audio) else cls(*given)
            if audio.warnings is None:
                audio = audio.checked()
            audio = audio.mono() if mono else audio
            return audio if sample_rate is None else audio.resample(sample_rate)
        target = None if sample_rate is None else checked_rate(sample_rate, "the rate asked for")
        with ExitStack() as stack:
            opened = open_blocks(given, stack).watched(watch).checked(mono=mono)
            return cls.from_blocks(opened, opened.blocks, target)

    @classmethod
    def from_blocks(
        cls, opened: OpenedRecording, blocks: Iterator[Block], sample_rate: int | None = None
    ) -> Audio:
        """Join blocks of a recording that was opened.

        Args:
            opened: what `open_blocks` gave.
            blocks: of it, (frames, channels), all of the same number of channels.
            sample_rate: resample to this rate, Hz; None keeps their own.
        """
        rate = opened.sample_rate
        if sample_rate is not None and sample_rate != rate:
            blocks = resampled(blocks, rate, sample_rate)
        samples = _joined(blocks)  # only then all is known that there is to say
        return cls(samples, sample_rate or rate, opened.warnings)

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
        """Mix the channels down to their mean, or take the loudest where they cancel."""
        if self.channels == 1:
            return self
        mixer = Mixer(self.sample_rate)
        mixed = mixer.mix(self.samples.T)
        known = self.warnings
        return Audio(
            mixed, self.sample_rate, None if known is None else (*known, *mixer.warnings())
        )

    def split(self) -> tuple[Audio, ...]:
        """Give each channel as a recording of its own."""
        return tuple(Audio(channel, self.sample_rate) for channel in self.samples)

    def resample(self, sample_rate: int) -> Audio:
        """Convert to another sample rate (Hz) with soxr at high quality."""
        target = checked_rate(sample_rate, "the rate asked for")
        if target == self.sample_rate:
            return self
        blocks = (self.samples[:, i : i + BLOCK].T for i in range(0, self.samples.shape[1], BLOCK))
        samples = _joined(resampled(blocks, self.sample_rate, target), self.channels)
        return Audio(samples, target, self.warnings)

    def crop(self, start: float, end: float) -> Audio:
        """Cut out the part from `start` to `end`, in seconds, as far as the recording has it."""
        first, last = (
            round(min(max(seconds, 0.0), self.duration) * self.sample_rate)
            for seconds in (start, end)
        )
        return Audio(self.samples[:, first : max(first, last)], self.sample_rate)

    def checked(self) -> Audio:
        """The same with the warnings about its sound, and no others."""
        check = SoundCheck(self.sample_rate)
        for start in range(0, self.samples.shape[1], BLOCK):
            check.add(self.samples[:, start : start + BLOCK].T)
        return Audio(self.samples, self.sample_rate, check.warnings())


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


@dataclass(frozen=True, slots=True)
class OpenedRecording:
    """A recording whose samples come block by block."""

    sample_rate: int
    """Hz."""
    blocks: Iterator[Block]
    """(frames, channels)"""
    told: Callable[[], Warnings]
    """What is known so far."""

    @property
    def warnings(self) -> Warnings:
        """What was not heard so far, or is odd about the sound; complete after the last block."""
        return self.told()

    def watched(self, watch: Watch | None) -> OpenedRecording:
        """The same, with `watch` called after each block."""
        if watch is None:
            return self
        return replace(self, blocks=_watched(self.blocks, self.sample_rate, watch))

    def checked(self, *, mono: bool) -> OpenedRecording:
        """The same, its sound looked at as it comes.

        Args:
            mono: mix the channels down to their mean, or take the loudest where they cancel.
        """
        rate, blocks = self.sample_rate, self.blocks
        check, mixer = SoundCheck(rate), Mixer(rate)
        blocks = _added(blocks, check)
        if mono:
            blocks = (mixer.mix(block)[:, np.newaxis] for block in blocks)
        return OpenedRecording(
            rate, blocks, lambda: (*self.warnings, *check.warnings(), *mixer.warnings())
        )


def open_blocks(source: Source, stack: ExitStack) -> OpenedRecording:
    """Open a recording, to be read block by block.

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
        blocks = (audio.samples[:, i : i + BLOCK].T for i in starts)
        return OpenedRecording(audio.sample_rate, blocks, lambda: audio.warnings or ())
    file = decode(fetched(given, stack) if is_address(given) else given, stack)
    return OpenedRecording(file.sample_rate, file.blocks, lambda: file.warnings)


def _watched(blocks: Iterator[Block], rate: int, watch: Watch) -> Iterator[Block]:
    frames = 0
    for block in blocks:
        frames += len(block)
        watch(frames / rate, block.size)
        yield block


def _added(blocks: Iterator[Block], check: SoundCheck) -> Iterator[Block]:
    for block in blocks:
        check.add(block)
        yield block


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
