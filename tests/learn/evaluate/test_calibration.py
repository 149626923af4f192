"""A fitted temperature is the best one, and undoes a known miscalibration."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.calibration import (
    TEMPERATURES,
    apply_temperature,
    fit_temperature,
    reliability,
)
from sottovoce.learn.evaluate.metrics import LabelledPredictions, compute_metrics


def calibrated(count: int = 4000, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits whose softmax is exactly the chance of each class, and classes drawn so."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(count, 6))
    p = np.exp(apply_temperature(logits, 1.0))
    truth = (p.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return logits, truth.clip(0, 5)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_a_known_temperature_is_found_again(factor: float) -> None:
    logits, truth = calibrated()
    assert fit_temperature(factor * logits, truth) == pytest.approx(factor, rel=0.06)


def test_the_temperature_is_the_one_that_scipy_finds() -> None:
    logits, truth = calibrated(count=300, seed=3)
    logits *= 2.5
    best = minimize_scalar(
        lambda t: log_loss(truth, np.exp(apply_temperature(logits, np.exp(t))), labels=range(6)),
        bounds=np.log(TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert fit_temperature(logits, truth) == pytest.approx(np.exp(best.x), rel=1e-5)


def test_scaling_lowers_the_calibration_error_and_changes_no_answer() -> None:
    logits, truth = calibrated()
    logits *= 3
    names = [str(i) for i in range(len(truth))]

    def at(temperature: float) -> LabelledPredictions:
        scaled = apply_temperature(logits, temperature)
        return LabelledPredictions(truth, scaled, np.array(names), np.array(names), tuple("abcdef"))

    before, after = at(1.0), at(fit_temperature(logits, truth))
    assert compute_metrics(before)["ece"] > 0.15
    assert compute_metrics(after)["ece"] < 0.03
    assert np.array_equal(before.predicted, after.predicted)


def test_the_best_may_lie_outside_the_bounds_and_the_bound_is_given() -> None:
    separable = np.eye(3)
    assert fit_temperature(separable, [0, 1, 2]) == pytest.approx(TEMPERATURES[0])
    assert fit_temperature(separable, [1, 2, 0]) == pytest.approx(TEMPERATURES[1])


def test_huge_logits_do_not_overflow() -> None:
    scaled = apply_temperature([[1e4, 0.0, -1e4]], 0.05)
    assert np.isfinite(scaled).all()
    assert fit_temperature([[1e4, 0.0], [1e4, 0.0]], [0, 1]) == pytest.approx(TEMPERATURES[1])


@pytest.mark.parametrize(
    ("logits", "truth", "message"),
    [
        (np.zeros((0, 3)), [], "n of 1 or more"),
        (np.zeros((2, 3)), [0], "n of 1 or more"),
        (np.zeros(3), [0, 1, 2], "n of 1 or more"),
        (np.zeros((1, 3)), [3], "within 0 to 2"),
        ([[0.0, np.nan]], [0], "finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(logits: object, truth: object, message: str) -> None:
    with pytest.raises(SottovoceError, match=message):
        fit_temperature(logits, truth)  # type: ignore[arg-type]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_must_be_above_zero(temperature: float) -> None:
    with pytest.raises(SottovoceError, match="expected a number above 0"):
        apply_temperature([[0.0, 1.0]], temperature)


def test_a_reliability_table_agrees_with_scikit_learn_and_with_the_ece() -> None:
    logits, truth = calibrated(count=900)
    names = np.array([str(i) for i in range(len(truth))])
    predictions = LabelledPredictions(
        truth, apply_temperature(logits, 0.5), names, names, tuple("abcdef")
    )
    table = reliability(predictions)
    accuracy, confidence = calibration_curve(
        predictions.predicted == truth, predictions.probabilities.max(axis=1), n_bins=15
    )
    filled = table.count > 0
    assert table.accuracy[filled] == pytest.approx(accuracy)
    assert table.confidence[filled] == pytest.approx(confidence)
    assert np.isnan(table.accuracy[~filled]).all()
    gaps = np.abs(table.accuracy - table.confidence)[filled]
    ece = (gaps * table.count[filled]).sum() / table.count.sum()
    assert ece == pytest.approx(compute_metrics(predictions)["ece"])
    assert table.edges[[0, -1]].tolist() == [0, 1]


def test_a_reliability_table_of_several_runs_pools_their_clips() -> None:
    logits, truth = calibrated(count=200)
    names = np.array([str(i) for i in range(len(truth))])
    soft, sharp = (
        LabelledPredictions(truth, apply_temperature(logits, t), names, names, tuple("abcdef"))
        for t in (2.0, 0.5)
    )
    both, alone = reliability(soft, sharp), (reliability(soft), reliability(sharp))
    assert both.count.tolist() == (alone[0].count + alone[1].count).tolist()
    right = [np.nan_to_num(table.accuracy * table.count) for table in (both, *alone)]
    assert right[0] == pytest.approx(right[1] + right[2])
