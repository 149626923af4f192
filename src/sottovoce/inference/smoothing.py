"""Smoothing: from the probabilities of each window to labels that do not flicker."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sottovoce.options import TimelineOptions
from sottovoce.results import Segment, Status

Row = NDArray[np.float64]
"""(classes,), probabilities of the labels."""

MEAN_DURATION = 3.0
"""s that an emotion lasts on average, in the hidden Markov model; docs/timeline.md says why."""


@dataclass(frozen=True, slots=True)
class UnsmoothedSegment:
    """One segment before smoothing: with probabilities, or with a status that says why not.

    Attributes:
        start: s.
        end: s.
        status: of the window.
        row: (classes,), None where there is nothing to judge.
    """

    start: float
    end: float
    status: Status
    row: Row | None


class Smoother:
    """Turns the predictions for the windows of one channel into segments, in order.

    A segment comes out `options.lookahead_windows` windows after it went in, and the rest with
    `finish`.
    """

    def __init__(
        self,
        labels: Sequence[str],
        options: TimelineOptions,
        min_confidence: float,
        channel: int | None,
    ) -> None:
        self._labels = labels
        self._min_confidence = min_confidence
        self._channel = channel
        self._lookahead = options.lookahead_windows
        self._smooth: Method = lambda row, later: row
        if options.smoothing == "mean":
            self._smooth = Mean()
        elif options.smoothing == "hmm":
            self._smooth = HiddenMarkov(len(labels), options.hop, options.window)
        self._hysteresis = Hysteresis(math.ceil(options.hold / options.hop - 1e-9))
        self._pending: deque[UnsmoothedSegment] = deque()

    def add(self, segment: UnsmoothedSegment) -> list[Segment]:
        """The segments that became final with one more window; at most one."""
        self._pending.append(segment)
        return [self._next()] if len(self._pending) > self._lookahead else []

    def finish(self) -> list[Segment]:
        """The segments that waited for more."""
        return [self._next() for _ in range(len(self._pending))]

    def _next(self) -> Segment:
        segment = self._pending.popleft()
        later = [other.row for other in islice(self._pending, self._lookahead)]
        row = self._smooth(segment.row, later)
        label = self._hysteresis(row)
        status = segment.status
        more: dict[str, Any] = {}
        if row is not None and label is not None:
            confidence = float(row[label])
            status = Status.OK if confidence >= self._min_confidence else Status.UNCERTAIN
            more = {
                "emotion": self._labels[label],
                "confidence": confidence,
                "probabilities": dict(zip(self._labels, row.tolist(), strict=True)),
            }
        return Segment(
            start=segment.start, end=segment.end, status=status, channel=self._channel, **more
        )


class Hysteresis:
    """A label gives way to a likelier one only when it has lasted a while.

    A pause counts neither for nor against it; but one as long as that forgets the label.

    Args:
        least: how many segments with speech a label lasts at least.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._label: int | None = None
        self._lasted = self._paused = 0

    def __call__(self, row: Row | None) -> int | None:
        """The label of the next segment, None for one without probabilities."""
        if row is None:
            self._paused += 1
            if self._paused >= self._least:
                self._label = None
            return None
        self._paused = 0
        likeliest = int(row.argmax())
        if likeliest != self._label and (self._label is None or self._lasted >= self._least):
            self._label, self._lasted = likeliest, 0
        self._lasted += 1
        return self._label


Method = Callable[[Row | None, Sequence[Row | None]], Row | None]
"""Called for each window in order, with the later ones within the lookahead; gives probabilities
wherever it was given some."""


class Mean:
    """The mean of a window, the one before, and the one after where the lookahead has it."""

    def __init__(self) -> None:
        self._before: Row | None = None

    def __call__(self, row: Row | None, later: Sequence[Row | None]) -> Row | None:
        """As `Method`."""
        before, self._before = self._before, row
        if row is None:
            return None
        neighbours = [other for other in (before, row, *later[:1]) if other is not None]
        return cast(Row, np.mean(neighbours, axis=0))


class HiddenMarkov:
    """Emotions as the states of a hidden Markov model, observed through the windows.

    In the time of one hop the emotion stays with probability exp(-hop / `MEAN_DURATION`), and else
    becomes any other alike. A window's probabilities, over equal priors, stand for its likelihoods,
    as in hybrid models (Bourlard and Morgan, Connectionist Speech Recognition, 1994). As windows
    overlap, each part of the sound would count window / hop times: likelihoods are taken to the
    power of hop / window. Windows without speech give no evidence.

    The result is the distribution of the state given all windows so far and the lookahead after
    it: forward-backward (Rabiner, Proceedings of the IEEE 77(2), 1989) with a fixed
    lag; with none, it is the forward pass alone.
    """

    def __init__(self, classes: int, hop: float, window: float) -> None:
        stay = math.exp(-hop / MEAN_DURATION)
        self._step = np.full((classes, classes), (1 - stay) / max(1, classes - 1))
        np.fill_diagonal(self._step, stay)
        self._power = hop / window
        self._forward = np.full(classes, 1 / classes)

    def __call__(self, row: Row | None, later: Sequence[Row | None]) -> Row | None:
        """As `Method`."""
        self._forward = self._forward @ self._step * self._likelihood(row)
        self._forward /= self._forward.sum()
        if row is None:
            return None
        backward = np.ones_like(self._forward)
        for next_row in reversed(later):
            backward = self._step @ (self._likelihood(next_row) * backward)
            # Scaled by a power of two, which rounds nothing; a product of many would underflow.
            backward = np.ldexp(backward, -int(np.frexp(backward.max())[1]))
        both = self._forward * backward
        return cast(Row, both / both.sum())

    def _likelihood(self, row: Row | None) -> Any:
        return 1.0 if row is None else np.maximum(row, 1e-9) ** self._power
