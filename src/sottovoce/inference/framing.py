"""Framing: one channel, in pieces of any size, cut into overlapping frames to be predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from sottovoce.audio import Audio, Samples
from sottovoce.inference.predictor import PreparedRecording
from sottovoce.inference.window import pieces
from sottovoce.models.card import Card
from sottovoce.options import TimelineOptions
from sottovoce.results import Status
from sottovoce.vad.gate import (
    LEVEL_FRAME,
    SLOW_DOWN,
    Gate,
    frame_powers,
    level_of,
    speech_level,
    zero_crossing_rate,
)
from sottovoce.vad.silero import FRAME, RATE, SpeechDetector, speech_probabilities

NEAR_SPEECH = 0.3
"""s from speech within which a segment still belongs to it."""
LEVEL_MEMORY = 4 * RATE
"""Samples at 16 kHz whose level decides the gain of the newest for the detector."""
LEAST_LEVEL = RATE // 2
"""Samples at 16 kHz that the level of a segment without speech is taken over at least."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the network and the gate are given for one segment: a window of the recording."""

    start: float
    """s, where the segment starts in the recording."""
    end: float
    """s, where it ends."""
    begins: float
    """s, where the window does."""
    voice: Samples
    """The window at the model's rate."""
    sound: Samples
    """The window at 16 kHz."""
    frames: NDArray[np.float32]
    """The probability of speech in each of the detector's frames that lie within the window."""
    before_frames: float
    """s in the window before the first of them."""
    gain: float
    """Factor that brings the window to a level that the detector needs."""

    def prepare(self, card: Card, gate: Gate) -> PreparedRecording | Status:
        """Cut out the pieces to run the network on; the status where there is no speech."""
        duration = self.voice.size / card.sample_rate
        if duration < gate.options.min_duration:
            return Status.TOO_SHORT
        if _is_silent(self.sound, gate):
            return Status.SILENCE
        least = gate.options.min_zero_crossing_rate
        if least and zero_crossing_rate(self.sound) < least:
            return Status.NO_SPEECH
        spans = self._speech_spans(gate)
        start, end = self.start - self.begins, self.end - self.begins
        if not any(
            first - NEAR_SPEECH < end and last + NEAR_SPEECH > start for first, last in spans
        ):
            until = round(end * RATE)
            since = max(0, min(round(start * RATE), until - LEAST_LEVEL))
            quiet = _is_silent(self.sound[since:until], gate)
            return Status.SILENCE if quiet else Status.NO_SPEECH
        extent = max(0.0, spans[0][0]), min(duration, spans[-1][1])
        voice = Audio(self.voice, card.sample_rate)
        return PreparedRecording(None, duration, pieces(voice, card.window, extent))

    def _speech_spans(self, gate: Gate) -> tuple[tuple[float, float], ...]:
        """Where speech is, in s; where none is found, after slowing down, as in the gate."""
        if spans := gate.spans(self.frames):
            return tuple(
                (first + self.before_frames, last + self.before_frames) for first, last in spans
            )
        louder = Audio(self.sound * np.float32(self.gain), RATE)
        slowed = louder.resample(round(RATE * SLOW_DOWN)).samples[0]
        return gate.spans(speech_probabilities(slowed), SLOW_DOWN)


def _is_silent(sound: Samples, gate: Gate) -> bool:
    level = speech_level(sound)
    return level < gate.options.silence_rms or level == 0


class Framer:
    """Cuts one channel into frames.

    The frames never depend on how the samples were split into pieces: everything is computed at
    the end of each frame, in order.

    Args:
        card: of the model.
        gate: decides the detector's gain.
        options: where the frames lie.
        rate: of the samples that come, Hz.
    """

    def __init__(self, card: Card, gate: Gate, options: TimelineOptions, rate: int) -> None:
        self._card = card
        self._rate, self._fed = rate, 0
        self._hop, self._length, self._ahead = (
            round(seconds * card.sample_rate)
            for seconds in (options.hop, options.window, options.window_lookahead)
        )
        self._frames = 0
        self._buffer = ResampleBuffer(rate, card.sample_rate)
        self._buffer_16k = ResampleBuffer(rate, RATE)
        self._vad = _StreamingDetector(gate)

    def feed(self, samples: Samples) -> list[Frame]:
        """The frames that ended within the next samples, (samples,)."""
        self._fed += samples.size
        self._buffer.add(samples)
        self._buffer_16k.add(samples)
        found = []
        while (
            self._next_end <= self._buffer.end
            and self._at_16k(self._next_end) <= self._buffer_16k.end
        ):
            found.append(self._cut(self._next_end))
        return found

    def finish(self) -> list[Frame]:
        """The frames that the end of the recording cuts short."""
        self._buffer.finish()
        self._buffer_16k.finish()
        end = min(self._buffer.end, round(self._fed * self._card.sample_rate / self._rate))
        found = []
        while self._frames * self._hop < end:
            found.append(self._cut(min(self._next_end, end), last=self._next_end >= end))
        return found

    @property
    def _next_end(self) -> int:
        return (self._frames + 1) * self._hop + self._ahead

    def _at_16k(self, position: int) -> int:
        return position * RATE // self._card.sample_rate

    def _cut(self, end: int, *, last: bool = False) -> Frame:
        """The next frame, which ends at `end`; positions are in the model's samples."""
        rate = self._card.sample_rate
        first = max(0, self._next_end - self._length)
        start = self._frames * self._hop
        stop = min(start + self._hop, end)
        zero, end_16k = self._at_16k(first), min(self._at_16k(end), self._buffer_16k.end)
        self._vad.detect(self._buffer_16k, self._buffer_16k.end if last else end_16k, last=last)
        before_frames, frames = self._vad.since(zero)
        frame = Frame(
            start=start / rate,
            end=self._fed / self._rate if last and stop == end else stop / rate,
            begins=first / rate,
            voice=self._buffer.between(first, end),
            sound=self._buffer_16k.between(zero, end_16k),
            frames=frames,
            before_frames=before_frames,
            gain=self._vad.gain,
        )
        self._frames += 1
        kept = max(0, self._next_end - self._length)
        self._buffer.forget(kept)
        self._buffer_16k.forget(min(self._at_16k(kept), self._vad.end))
        self._vad.forget(self._at_16k(kept))
        return frame


class ResampleBuffer:
    """One channel at another sample rate.

    The output does not depend on the size of the pieces that go in: soxr's stream keeps the past
    samples that its filter needs.

    Args:
        rate: of the samples that are added, Hz.
        target: of the output, Hz.
    """

    def __init__(self, rate: int, target: int) -> None:
        self._resampler = (
            None
            if rate == target
            else soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")
        )
        self._kept = np.zeros(0, np.float32)
        self._start = 0
        self.end = 0
        """The position after the newest sample; at another rate it is a little behind."""
        self._new: list[Samples] = []

    def add(self, samples: Samples) -> None:
        """Take the next samples, (samples,); they may change afterwards."""
        if samples.size:
            self._keep(self._resampled(samples, last=False))

    def finish(self) -> None:
        """Take the rest from the resampler."""
        if self._resampler is not None:
            self._keep(self._resampled(np.zeros(0, np.float32), last=True))

    def _resampled(self, samples: Samples, *, last: bool) -> Samples:
        if self._resampler is None:
            return samples.copy()
        return np.asarray(self._resampler.resample_chunk(samples, last=last), np.float32)

    def _keep(self, samples: Samples) -> None:
        self._new.append(samples)
        self.end += samples.size

    def between(self, start: int, end: int) -> Samples:
        """Samples from one position to another, as far as there are any; not to be changed."""
        if self._new:
            self._kept = np.concatenate([self._kept, *self._new])
            self._new.clear()
        return self._kept[max(0, start - self._start) : max(0, end - self._start)]

    def forget(self, before: int) -> None:
        """Drop the samples before a position."""
        self._kept = self.between(before, self.end)
        self._start = max(self._start, min(before, self.end))


class _StreamingDetector:
    """The detector, in one go from the first sample to the last.

    It needs a level of about 0.1 RMS. A recording's own is not known before its end; in its place
    is the level that the last 4 s reach, so that a quiet speaker is found after a loud one.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._detector = SpeechDetector()
        self.gain = 1.0
        """What the newest samples were multiplied by."""
        self._rest = np.zeros(0, np.float32)
        self._powers = np.zeros(0)
        self._probabilities = np.zeros(0, np.float32)
        self._first = 0
        """Frame of the first of them."""

    @property
    def end(self) -> int:
        """The position after the last frame."""
        return (self._first + self._probabilities.size) * FRAME

    def detect(self, buffer: ResampleBuffer, until: int, *, last: bool) -> None:
        """Run on all whole frames up to a position, or on all samples if they are the last."""
        frames = -(-until // FRAME) if last else until // FRAME
        samples = buffer.between(self.end, min(frames * FRAME, until))
        if not samples.size:
            return
        pending = np.concatenate([self._rest, samples])
        powers = frame_powers(pending)
        self._rest = pending[powers.size * LEVEL_FRAME :]
        self._powers = np.concatenate([self._powers, powers])[-(LEVEL_MEMORY // LEVEL_FRAME) :]
        self.gain = self._gate.gain(level_of(self._powers))
        found = self._detector.feed(samples * np.float32(self.gain))
        self._probabilities = np.concatenate([self._probabilities, found])

    def since(self, start: int) -> tuple[float, NDArray[np.float32]]:
        """The frames from a position on, and how many s after it the first of them begins."""
        frame = -(-start // FRAME)
        return (frame * FRAME - start) / RATE, self._probabilities[max(0, frame - self._first) :]

    def forget(self, before: int) -> None:
        """Drop the frames that begin before a position."""
        frame = min(max(self._first, before // FRAME), self._first + self._probabilities.size)
        self._probabilities = self._probabilities[frame - self._first :]
        self._first = frame
