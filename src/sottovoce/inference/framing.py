"""One channel's way from samples, in pieces of any size, to windows that can be judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio, Samples
from sottovoce.audio.resample_buffer import ResampleBuffer
from sottovoce.inference.predictor import Heard
from sottovoce.inference.window import pieces
from sottovoce.models.card import Card
from sottovoce.plan import Plan
from sottovoce.vad.gate import (
    LEVEL_FRAME,
    SLOWER,
    Gate,
    Status,
    frame_powers,
    level_reached,
    loudness,
)
from sottovoce.vad.silero import FRAME, RATE, SpeechDetector, speech_probabilities

NEAR = 0.3
"""s from speech within which a segment still belongs to it."""
LEVEL_MEMORY = 4 * RATE
"""Samples at 16 kHz whose level decides how much louder the detector hears the newest."""
LEAST_LEVEL = RATE // 2
"""Samples at 16 kHz that the level of a segment without speech is taken over at least."""


@dataclass(frozen=True, slots=True)
class Window:
    """What there is to hear for one segment."""

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
    """What brings the window to a level that the detector hears."""

    def heard(self, card: Card, gate: Gate) -> Heard | Status:
        """Say what the network is to hear, or why there is nothing."""
        duration = self.voice.size / card.sample_rate
        if duration < gate.min_duration:
            return Status.TOO_SHORT
        if _is_silent(self.sound, gate):
            return Status.SILENCE
        spans = self._speech(gate)
        start, end = self.start - self.begins, self.end - self.begins
        if not any(first - NEAR < end and last + NEAR > start for first, last in spans):
            until = round(end * RATE)
            since = max(0, min(round(start * RATE), until - LEAST_LEVEL))
            quiet = _is_silent(self.sound[since:until], gate)
            return Status.SILENCE if quiet else Status.NO_SPEECH
        extent = max(0.0, spans[0][0]), min(duration, spans[-1][1])
        voice = Audio(self.voice, card.sample_rate)
        return Heard(None, duration, pieces(voice, card.window, extent))

    def _speech(self, gate: Gate) -> tuple[tuple[float, float], ...]:
        """Where speech is, in s; a voice that is too high is heard slower, as the gate does it."""
        if spans := gate.spans(self.frames):
            return tuple(
                (first + self.before_frames, last + self.before_frames) for first, last in spans
            )
        louder = Audio(self.sound * np.float32(self.gain), RATE)
        slower = louder.resample(round(RATE * SLOWER)).samples[0]
        return gate.spans(speech_probabilities(slower), SLOWER)


def _is_silent(sound: Samples, gate: Gate) -> bool:
    level = loudness(sound)
    return level < gate.silence_rms or level == 0


class Track:
    """Cuts one channel into windows.

    Where they lie and what is in them never depends on how the samples came: whatever is done, is
    done at the end of each window, in order.

    Args:
        card: of the model that is to judge.
        gate: what the detector's level goes by.
        plan: where the windows lie.
        rate: of the samples that come, Hz.
    """

    def __init__(self, card: Card, gate: Gate, plan: Plan, rate: int) -> None:
        self._card = card
        self._rate, self._fed = rate, 0
        self._hop, self._length, self._ahead = (
            round(seconds * card.sample_rate) for seconds in (plan.hop, plan.window, plan.ahead)
        )
        self._windows = 0
        self._voice = ResampleBuffer(rate, card.sample_rate)
        self._ear = ResampleBuffer(rate, RATE)
        self._speech = _Speech(gate)

    def feed(self, samples: Samples) -> list[Window]:
        """The windows that ended within the next samples, (samples,)."""
        self._fed += samples.size
        self._voice.add(samples)
        self._ear.add(samples)
        found = []
        while self._next_end <= self._voice.end and self._at_16k(self._next_end) <= self._ear.end:
            found.append(self._cut(self._next_end))
        return found

    def finish(self) -> list[Window]:
        """The windows that the end of the recording cuts short."""
        self._voice.finish()
        self._ear.finish()
        end = min(self._voice.end, round(self._fed * self._card.sample_rate / self._rate))
        found = []
        while self._windows * self._hop < end:
            found.append(self._cut(min(self._next_end, end), last=self._next_end >= end))
        return found

    @property
    def _next_end(self) -> int:
        return (self._windows + 1) * self._hop + self._ahead

    def _at_16k(self, position: int) -> int:
        return position * RATE // self._card.sample_rate

    def _cut(self, end: int, *, last: bool = False) -> Window:
        """The next window, which ends at `end`; positions are in the model's samples."""
        rate = self._card.sample_rate
        first = max(0, self._next_end - self._length)
        start = self._windows * self._hop
        stop = min(start + self._hop, end)
        zero, ear_end = self._at_16k(first), min(self._at_16k(end), self._ear.end)
        self._speech.hear(self._ear, self._ear.end if last else ear_end, last=last)
        before_frames, frames = self._speech.since(zero)
        window = Window(
            start=start / rate,
            end=self._fed / self._rate if last and stop == end else stop / rate,
            begins=first / rate,
            voice=self._voice.between(first, end),
            sound=self._ear.between(zero, ear_end),
            frames=frames,
            before_frames=before_frames,
            gain=self._speech.gain,
        )
        self._windows += 1
        kept = max(0, self._next_end - self._length)
        self._voice.forget(kept)
        self._ear.forget(min(self._at_16k(kept), self._speech.end))
        self._speech.forget(self._at_16k(kept))
        return window


class _Speech:
    """The detector, in one go from the first sample to the last.

    It needs a level of about 0.1 RMS. A recording's own is not known before its end; what stands
    for it is the level that the last 4 s reach, so that a quiet person is heard after a loud one.
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
        """How many samples were heard."""
        return (self._first + self._probabilities.size) * FRAME

    def hear(self, ear: ResampleBuffer, until: int, *, last: bool) -> None:
        """Hear all whole frames up to a position, or all samples if they are the last."""
        frames = -(-until // FRAME) if last else until // FRAME
        samples = ear.between(self.end, min(frames * FRAME, until))
        if not samples.size:
            return
        waiting = np.concatenate([self._rest, samples])
        powers = frame_powers(waiting)
        self._rest = waiting[powers.size * LEVEL_FRAME :]
        self._powers = np.concatenate([self._powers, powers])[-(LEVEL_MEMORY // LEVEL_FRAME) :]
        self.gain = self._gate.gain(level_reached(self._powers))
        found = self._detector.feed(samples * np.float32(self.gain))
        self._probabilities = np.concatenate([self._probabilities, found])

    def since(self, start: int) -> tuple[float, NDArray[np.float32]]:
        """The frames from a position on, and how many s after it the first of them begins."""
        frame = -(-start // FRAME)
        return (frame * FRAME - start) / RATE, self._probabilities[max(0, frame - self._first) :]

    def forget(self, before: int) -> None:
        """Let go of frames that begin before a position."""
        frame = min(max(self._first, before // FRAME), self._first + self._probabilities.size)
        self._probabilities = self._probabilities[frame - self._first :]
        self._first = frame
