"""Below which confidence an answer is `uncertain`: where it is as likely wrong as right."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

NEAREST, FURTHEST = 0.25, 0.75
"""Bounds of the threshold, as fractions of the way from chance to 1: chance is always well below
it, and the surest answers are above it, however many labels there are."""


def threshold_bounds(classes: int) -> tuple[float, float]:
    """Lowest and highest threshold of a model with so many labels.

    >>> threshold_bounds(2)
    (0.625, 0.875)
    """
    chance = 1 / classes
    low, high = (chance + fraction * (1 - chance) for fraction in (NEAREST, FURTHEST))
    return low, high


def least_confidence(confidence: ArrayLike, right: ArrayLike, classes: int) -> float:
    """The confidence from which answers are more often right than wrong, within the bounds.

    With answers in order of confidence, the isotonic regression of being right on confidence passes
    1/2 where the cumulative sum of (right - 1/2) is least (pool adjacent violators: Barlow et al.
    1972, Statistical inference under order restrictions).

    Args:
        confidence: (n,) of the likeliest label, 0 to 1, calibrated, of clips that the model was not
            trained on; n of 0 gives the lower bound.
        right: (n,) whether that label was the right one.
        classes: number of labels, 2 or more.
    """
    low, high = threshold_bounds(classes)
    sure = np.asarray(confidence, dtype=np.float64)
    order = np.argsort(sure, kind="stable")
    balance = np.cumsum(np.asarray(right, dtype=np.float64)[order] - 0.5)
    below = int(np.argmin(np.concatenate([[0.0], balance])))  # so many answers are below it
    chosen = sure[order[below]] if below < len(sure) else high if len(sure) else low
    return float(np.clip(chosen, low, high))
