"""How far a metric may be trusted: 95 % intervals from resampling speakers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.metrics import LabelledPredictions, MetricSums

LEAST_DRAWS = 100
"""Fewer draws give no 2.5th percentile worth the name."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A metric and its 95 % interval, `low` to `high`, in the metric's own unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False, slots=True)
class SpeakerDraws:
    """How often each speaker is in each draw of a bootstrap over speakers.

    Attributes:
        weights: (1 + draws, speakers); row 0 has every speaker once.
        unit: (n,) int, which of the speakers spoke each clip.
    """

    weights: NDArray[np.float64]
    unit: NDArray[np.int64]

    @classmethod
    def of(cls, predictions: LabelledPredictions, draws: int, seed: int = 0) -> Self:
        """Draw the speakers of some clips; the clips themselves where no two speakers are known."""
        units = predictions.speakers if predictions.num_speakers > 1 else predictions.clips
        names, unit = np.unique(units, return_inverse=True)
        count = len(names)
        drawn = np.random.default_rng(seed).multinomial(count, [1 / count] * count, size=draws)
        return cls(np.vstack([np.ones(count), drawn]), unit)

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum a value of each clip over the clips of each draw: (n, ...) -> (1 + draws, ...)."""
        by_unit = np.zeros((self.weights.shape[1], *values.shape[1:]))
        np.add.at(by_unit, self.unit, values)
        return np.tensordot(self.weights, by_unit, 1)


def percentile_interval(figures: NDArray[np.float64]) -> Interval | None:
    """Give the interval of a figure: figures[0] is its value, the others those of the draws.

    Draws without the figure are NaN and count for nothing; None if the value itself is, or more
    than half of the draws. The interval is stretched where it would not hold the value.
    """
    value, known = figures[0], figures[1:][~np.isnan(figures[1:])]
    if np.isnan(value) or 2 * len(known) < len(figures) - 1:
        return None
    low, high = np.percentile(known, (2.5, 97.5))
    return Interval(float(value), float(min(low, value)), float(max(high, value)))


def intervals(
    runs: LabelledPredictions | Sequence[LabelledPredictions], draws: int = 10_000, seed: int = 0
) -> dict[str, Interval]:
    """Measure runs over the same clips, with a 95 % interval for each metric of `metrics`.

    A draw takes as many speakers as there are, with replacement, the same ones for every run, and
    averages the metric over the runs: the percentile bootstrap (Efron and Tibshirani 1993, chapter
    13) with the speaker as the unit, because the clips of one speaker are not independent. `value`
    is the mean over the runs of the metric on all clips, never the best run.

    Where there is one speaker only, or it is not known of every clip who speaks, clips are drawn in
    place of speakers; such intervals are too narrow, so whoever shows them calls them optimistic.

    A draw may lack a class: it then counts for uar and macro_f1 over the classes it has, and not at
    all for the missing class's recall. Where all but a few draws lie on one side of the value, as
    the ECE's may, since it grows with noise, the interval is stretched to hold the value.

    Args:
        runs: one run, or several (seeds) over the same clips, in any order.
        draws: number of draws, `LEAST_DRAWS` or more.
        seed: of the draws; the same seed gives the same intervals.

    Raises:
        SottovoceError: no run, runs over different clips, or too few draws.
    """
    aligned = _align([runs] if isinstance(runs, LabelledPredictions) else list(runs))
    first = aligned[0]
    if draws < LEAST_DRAWS:
        raise SottovoceError(f"{draws} draws; use {LEAST_DRAWS} or more")
    drawn = SpeakerDraws.of(first, draws, seed)
    measured = [
        MetricSums.of(run, drawn.unit, drawn.weights.shape[1])
        .weighted(drawn.weights)
        .metrics(first.labels)
        for run in aligned
    ]
    result = {}
    for name in measured[0]:
        figures = np.mean([metrics[name] for metrics in measured], axis=0)
        interval = percentile_interval(figures)
        if interval is not None:
            result[name] = interval
    return result


def _align(runs: list[LabelledPredictions]) -> list[LabelledPredictions]:
    """Bring every run into the order of clip names, and check that they are of the same clips."""
    if not runs:
        raise SottovoceError("no run to measure; give the predictions of one or more")
    aligned = [run.take(np.argsort(run.clips)) for run in runs]
    first = aligned[0]
    for number, run in enumerate(aligned[1:], start=2):
        same = run.labels == first.labels and all(
            np.array_equal(getattr(run, name), getattr(first, name))
            for name in ("clips", "speakers", "truth")
        )
        if not same:
            raise SottovoceError(
                f"run {number} and run 1 differ in clips, speakers, truth or labels; "
                f"runs that are averaged must be of the same clips"
            )
    return aligned
