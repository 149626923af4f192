"""The gate: whether a recording is long and loud enough, and holds speech, to be predicted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio, Samples
from sottovoce.options import GateOptions
from sottovoce.results import Status
from sottovoce.vad.silero import FRAME, RATE, speech_probabilities

SPEECH_VERSION = "Silero VAD 6.2, gate 1"
"""To be raised whenever the detector or the gate finds speech elsewhere in some recording: extents
of speech that were cached before are then not used again."""
LEVEL_FRAME = 480
"""Samples at 16 kHz, 30 ms: what the level is taken over."""
LOUDEST_FRAMES = 10
"""The level is that of the quietest of so many loudest frames, 0.3 s; not of a click alone."""
MIN_DETECTOR_RMS, MAX_DETECTOR_RMS = 0.05, 0.3
"""Levels that quieter and louder recordings are scaled to before they reach the detector."""
SLOW_DOWN = 1.35
"""Factor by which a recording without speech is slowed down for a second look: voices too high for
the detector, as in screaming, become lower."""
CHUNK = 64 * RATE
"""Samples that the detector is run on at a time; whole frames at both speeds."""
NEG_THRESHOLD_RATIO = 0.3
"""Speech lasts while the probability is above this fraction of the threshold (Silero's
`neg_threshold`)."""


@dataclass(frozen=True, slots=True)
class GateResult:
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
    def extent(self) -> tuple[float, float] | None:
        """First start and last end of speech, s; None without speech."""
        return (self.speech[0][0], self.speech[-1][1]) if self.speech else None


class Gate:
    """Checks a recording against `GateOptions`; docs/gate.md has measurements."""

    def __init__(self, options: GateOptions | None = None) -> None:
        self.options = GateOptions() if options is None else options

    def check(self, audio: Audio) -> GateResult:
        """Whether a recording can be predicted, and where in it somebody speaks.

        The checks come in this order: `too_short`, `silence`, `no_speech`. Channels are mixed
        down and other rates than 16 kHz converted first.
        """
        samples = audio.mono().resample(RATE).samples[0]
        level, crossings = speech_level(samples), zero_crossing_rate(samples)
        if audio.duration < self.options.min_duration:
            return GateResult(Status.TOO_SHORT, level, crossings)
        if level < self.options.silence_rms or level == 0:
            return GateResult(Status.SILENCE, level, crossings)
        hums = crossings < self.options.min_zero_crossing_rate
        speech = () if hums else self._speech(samples)
        return GateResult(Status.OK if speech else Status.NO_SPEECH, level, crossings, speech)

    def spans(
        self, probabilities: NDArray[np.float32], slower: float = 1.0
    ) -> tuple[tuple[float, float], ...]:
        """Where speech is, or nothing where it lasts less than `min_speech`.

        Args:
            probabilities: (frames,), of speech, from the detector.
            slower: factor by which the samples were slowed down for it.

        Returns:
            Start and end of each stretch, in s from the first frame.
        """
        frame = FRAME / (RATE * slower)
        if (
            np.count_nonzero(probabilities >= self.options.speech_threshold) * frame
            < self.options.min_speech
        ):
            return ()
        runs = _runs(probabilities, self.options.speech_threshold)
        return tuple((start * frame, stop * frame) for start, stop in runs)

    def _speech(self, samples: Samples) -> tuple[tuple[float, float], ...]:
        end = samples.size / RATE
        for slower in (1.0, SLOW_DOWN):
            probabilities = np.concatenate(
                [
                    self._detect(samples[start : start + CHUNK], slower)
                    for start in range(0, samples.size, CHUNK)
                ]
            )
            if spans := self.spans(probabilities, slower):
                return tuple((start, min(stop, end)) for start, stop in spans)
        return ()

    def gain(self, level: float) -> float:
        """Factor that brings samples of this level to one that the detector needs."""
        level = max(level, self.options.silence_rms, 1e-9)
        return min(max(level, MIN_DETECTOR_RMS), MAX_DETECTOR_RMS) / level

    def _detect(self, samples: Samples, slower: float) -> NDArray[np.float32]:
        louder = Audio(samples * np.float32(self.gain(speech_level(samples))), RATE)
        return speech_probabilities(louder.resample(round(RATE * slower)).samples[0])


def speech_level(samples: Samples) -> float:
    """RMS that the loudest 0.3 s reach, each 30 ms without its mean (offset).

    Args:
        samples: (samples,) at 16 kHz.
    """
    return level_of(frame_powers(samples))


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


def level_of(powers: NDArray[np.float64]) -> float:
    """RMS that the loudest 0.3 s reach, from the power of each 30 ms; 0 where there is none."""
    if not powers.size:
        return 0.0
    place = powers.size - min(powers.size, LOUDEST_FRAMES)
    return float(np.sqrt(np.partition(powers, place)[place]))


def zero_crossing_rate(samples: Samples) -> float:
    """Share of neighbouring samples on either side of the mean, 0..1.

    Args:
        samples: (samples,) at 16 kHz.
    """
    if samples.size < 2:
        return 0.0
    above = samples > samples.mean(dtype=np.float64)
    return float(np.count_nonzero(above[1:] != above[:-1]) / (samples.size - 1))


def _runs(probabilities: NDArray[np.float32], threshold: float) -> list[tuple[int, int]]:
    """Runs of frames above the lower threshold in which some frame reaches the threshold."""
    held = probabilities >= threshold * NEG_THRESHOLD_RATIO
    edges = np.flatnonzero(np.diff(held, prepend=False, append=False)).tolist()
    runs = list(pairwise(edges))[::2]
    return [(a, b) for a, b in runs if probabilities[a:b].max() >= threshold]
