"""Is there anything to judge? Length, level and speech decide before any emotion is named."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio, Samples
from sottovoce.errors import SottovoceError
from sottovoce.vad.silero import FRAME, RATE, speech_probabilities

LEVEL_FRAME = 480
"""Samples at 16 kHz, 30 ms: what the level is taken over."""
LOUDEST = 10
"""The level is the one that so many frames, 0.3 s, reach: a click is no level."""
QUIETEST_HEARD, LOUDEST_HEARD = 0.05, 0.3
"""Levels that quieter and louder recordings are brought to before the detector hears them."""
SLOWER = 1.35
"""A voice too high for the detector, as in screaming, is heard this much slower, and so lower."""
STRETCH = 64 * RATE
"""Samples heard in one go; whole frames at both speeds."""
RELEASE = 0.3
"""A span lasts while the probability is above this share of the threshold."""


class Status(StrEnum):
    """What came of a recording."""

    OK = "ok"
    SILENCE = "silence"
    NO_SPEECH = "no_speech"
    TOO_SHORT = "too_short"
    UNCERTAIN = "uncertain"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found."""

    status: Status
    """`ok`, `too_short`, `silence` or `no_speech`."""
    rms: float
    """Level that the loudest 0.3 s reach, over 30 ms each without their offset; full scale = 1."""
    zero_crossing_rate: float
    """Share of neighbouring samples at 16 kHz on either side of the mean, 0..1."""
    speech: tuple[tuple[float, float], ...] = ()
    """Start and end of each stretch of speech, s; empty unless the status is `ok`."""

    @property
    def speech_seconds(self) -> float:
        """How long speech lasts in all, s."""
        return sum(end - start for start, end in self.speech)

    @property
    def extent(self) -> tuple[float, float] | None:
        """First start and last end of speech, s; None without speech."""
        return (self.speech[0][0], self.speech[-1][1]) if self.speech else None


@dataclass(frozen=True, slots=True)
class Gate:
    """The thresholds below which a recording is not judged; docs/gate.md has the measurements.

    Raises:
        SottovoceError: a threshold is out of its range.
    """

    min_duration: float = 0.5
    """s; a shorter recording is `too_short`."""
    silence_rms: float = 0.0005
    """Level (see `Verdict.rms`) below which a recording is `silence`: -66 dB of full scale."""
    speech_threshold: float = 0.5
    """Probability, 0..1, from which a frame of 32 ms is speech."""
    min_speech: float = 0.25
    """s of such frames; with less a recording is `no_speech`."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            highest = 1.0 if field.name in ("silence_rms", "speech_threshold") else float("inf")
            if not 0 <= value <= highest:
                raise SottovoceError(
                    f"gate: {field.name} is {value}; expected "
                    + ("0 to 1" if highest == 1 else "0 or more")
                )

    def judge(self, audio: Audio) -> Verdict:
        """Say whether a recording can be judged, and where in it somebody speaks.

        The checks come in this order: `too_short`, `silence`, `no_speech`. Channels are mixed
        down and other rates than 16 kHz converted first.
        """
        samples = audio.mono().resample(RATE).samples[0]
        level, crossings = loudness(samples), _zero_crossing_rate(samples)
        if audio.duration < self.min_duration:
            return Verdict(Status.TOO_SHORT, level, crossings)
        if level < self.silence_rms or level == 0:
            return Verdict(Status.SILENCE, level, crossings)
        speech = self._speech(samples)
        return Verdict(Status.OK if speech else Status.NO_SPEECH, level, crossings, speech)

    def spans(
        self, probabilities: NDArray[np.float32], slower: float = 1.0
    ) -> tuple[tuple[float, float], ...]:
        """Where speech is, or nothing where it lasts less than `min_speech`.

        Args:
            probabilities: (frames,), what the detector said.
            slower: how much slower it heard the samples.

        Returns:
            Start and end of each stretch, in s from the first frame.
        """
        frame = FRAME / (RATE * slower)
        if np.count_nonzero(probabilities >= self.speech_threshold) * frame < self.min_speech:
            return ()
        runs = _runs(probabilities, self.speech_threshold)
        return tuple((start * frame, stop * frame) for start, stop in runs)

    def _speech(self, samples: Samples) -> tuple[tuple[float, float], ...]:
        end = samples.size / RATE
        for slower in (1.0, SLOWER):
            probabilities = np.concatenate(
                [
                    self._hear(samples[start : start + STRETCH], slower)
                    for start in range(0, samples.size, STRETCH)
                ]
            )
            if spans := self.spans(probabilities, slower):
                return tuple((start, min(stop, end)) for start, stop in spans)
        return ()

    def gain(self, level: float) -> float:
        """What brings samples of this level to where the detector hears them."""
        level = max(level, self.silence_rms, 1e-9)
        return min(max(level, QUIETEST_HEARD), LOUDEST_HEARD) / level

    def _hear(self, samples: Samples, slower: float) -> NDArray[np.float32]:
        louder = Audio(samples * np.float32(self.gain(loudness(samples))), RATE)
        return speech_probabilities(louder.resample(round(RATE * slower)).samples[0])


def loudness(samples: Samples) -> float:
    """RMS that the loudest 0.3 s reach, each 30 ms without its mean, so that an offset is no level.

    Args:
        samples: (samples,) at 16 kHz.
    """
    return level_reached(frame_powers(samples))


def frame_powers(samples: Samples) -> NDArray[np.float64]:
    """Mean square of every whole 30 ms, without its mean.

    Args:
        samples: (samples,) at 16 kHz.
    """
    count = samples.size // LEVEL_FRAME
    frames = samples[: count * LEVEL_FRAME].reshape(count, LEVEL_FRAME)
    parts = [
        frames[start : start + 4096].var(axis=1, dtype=np.float64)
        for start in range(0, count, 4096)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def level_reached(powers: NDArray[np.float64]) -> float:
    """RMS that the loudest 0.3 s reach, from the power of each 30 ms; 0 where there is none."""
    if not powers.size:
        return 0.0
    place = powers.size - min(powers.size, LOUDEST)
    return float(np.sqrt(np.partition(powers, place)[place]))


def _zero_crossing_rate(samples: Samples) -> float:
    if samples.size < 2:
        return 0.0
    above = samples > samples.mean(dtype=np.float64)
    return float(np.count_nonzero(above[1:] != above[:-1]) / (samples.size - 1))


def _runs(probabilities: NDArray[np.float32], threshold: float) -> list[tuple[int, int]]:
    """Runs of frames above the release level in which some frame reaches the threshold."""
    held = probabilities >= threshold * RELEASE
    edges = np.flatnonzero(np.diff(held, prepend=False, append=False)).tolist()
    runs = list(pairwise(edges))[::2]
    return [(a, b) for a, b in runs if probabilities[a:b].max() >= threshold]
