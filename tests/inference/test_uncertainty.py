"""Where `uncertain` begins: never at or near chance, never so high that nothing is sure."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from sottovoce.inference.uncertainty import least_confidence, threshold_bounds


def answers(classes: int, reach: float, count: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and whether right of a calibrated model: it is right as often as it is sure."""
    rng = np.random.default_rng(classes)
    chance = 1 / classes
    sure = chance + (1 - chance) * rng.random(count) ** reach
    return sure, rng.random(count) < sure


@pytest.mark.parametrize("classes", range(2, 10))
@pytest.mark.parametrize("reach", [0.3, 1.0, 3.0])
def test_calibrated_answers_of_any_number_of_labels_are_partly_sure(
    classes: int, reach: float
) -> None:
    sure, right = answers(classes, reach)
    least = least_confidence(sure, right, classes)
    assert least >= 1.25 / classes  # chance is well below it
    kept = sure >= least
    assert 0.05 < kept.mean() < 1
    assert right[kept].mean() > 0.5
    expected = float(np.clip(0.5, *threshold_bounds(classes)))
    assert least == pytest.approx(expected, abs=0.08)


def test_it_is_where_isotonic_regression_passes_one_half() -> None:
    sure, right = answers(6, 1.5)
    right = right & (np.random.default_rng(0).random(len(right)) < 0.85)  # too sure of itself
    fitted = IsotonicRegression().fit_transform(sure, right)
    crossing = sure[fitted >= 0.5].min()
    assert threshold_bounds(6)[0] < crossing < threshold_bounds(6)[1]
    assert least_confidence(sure, right, 6) == pytest.approx(crossing)


def test_a_model_that_is_never_right_or_never_wrong_stays_within_the_bounds() -> None:
    sure = np.linspace(0.3, 1, 50)
    for classes in range(2, 10):
        low, high = threshold_bounds(classes)
        assert 1 / classes < low < high < 1
        assert least_confidence(sure, np.ones(50), classes) == pytest.approx(max(low, 0.3))
        assert least_confidence(sure, np.zeros(50), classes) == high
        assert least_confidence([], [], classes) == low
