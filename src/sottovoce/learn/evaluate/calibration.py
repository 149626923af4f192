"""Calibration: temperature scaling (Guo et al. 2017), and the bins of a reliability diagram."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import log_softmax

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.metrics import BINS, LabelledPredictions, confidence_bins

TEMPERATURES = (0.05, 20.0)
"""Least and greatest temperature that a fit gives."""


def fit_temperature(logits: ArrayLike, truth: ArrayLike) -> float:
    """Find the temperature T that minimises the NLL of softmax(logits / T) (Guo et al. 2017).

    With b = 1 / T and p = softmax(b z), the mean NLL has the slope mean(sum_k p_k z_k - z_truth) in
    b. The slope never falls as b grows (the NLL is convex in b), so it has one zero, which Brent's
    method finds.

    Args:
        logits: (n, classes), any scale; log probabilities will do.
        truth: (n,) index of the right class.

    Returns:
        T, within `TEMPERATURES`; the bound itself where the best lies outside.

    Raises:
        SottovoceError: no clips, shapes that disagree, values that are not finite or not a class.
    """
    z = np.asarray(logits, dtype=np.float64)
    target = np.asarray(truth, dtype=np.int64)
    if z.ndim != 2 or not z.size or target.shape != z.shape[:1]:
        raise SottovoceError(
            f"a temperature cannot be fitted to logits {z.shape} and truth {target.shape}; "
            f"expected (n, classes) and (n,) with n of 1 or more"
        )
    if not np.isfinite(z).all() or target.min() < 0 or target.max() >= z.shape[1]:
        raise SottovoceError(
            f"a temperature cannot be fitted: expected finite logits and truth within "
            f"0 to {z.shape[1] - 1}"
        )
    true_logit = z[np.arange(len(z)), target]

    def slope(log_temperature: float) -> float:
        p = np.exp(apply_temperature(z, np.exp(log_temperature)))
        return float(np.mean((p * z).sum(axis=1) - true_logit))

    low, high = np.log(TEMPERATURES)
    if slope(low) <= 0:
        return TEMPERATURES[0]
    if slope(high) >= 0:
        return TEMPERATURES[1]
    return float(np.exp(brentq(slope, low, high)))


def apply_temperature(logits: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Give log softmax(logits / temperature): (n, classes) -> (n, classes)."""
    if not temperature > 0:
        raise SottovoceError(f"temperature {temperature}; expected a number above 0")
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    result: NDArray[np.float64] = log_softmax(scaled, axis=-1)
    return result


@dataclass(frozen=True, eq=False, slots=True)
class Reliability:
    """What a reliability diagram draws: an entry for each of `BINS` equal bins of confidence.

    Attributes:
        edges: (BINS + 1,) from 0 to 1.
        count: (BINS,) clips in the bin.
        confidence: (BINS,) their mean confidence; NaN in an empty bin.
        accuracy: (BINS,) the fraction of them that is right; NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def reliability(*runs: LabelledPredictions) -> Reliability:
    """Compare confidence with the fraction right, over all clips of one or more runs."""
    count, confident, right = np.zeros(BINS, dtype=np.int64), np.zeros(BINS), np.zeros(BINS)
    for run in runs:
        bins, confidence = confidence_bins(run)
        count += np.bincount(bins, minlength=BINS)
        confident += np.bincount(bins, confidence, BINS)
        right += np.bincount(bins, run.truth == run.predicted, BINS)
    empty = np.where(count > 0, count, np.nan)
    return Reliability(np.linspace(0, 1, BINS + 1), count, confident / empty, right / empty)
