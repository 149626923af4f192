"""Thresholds are the published ones, and a figure passes on the right side of them alone."""

import pytest

from sottovoce.learn.evaluate.audit.changes import CHANGES
from sottovoce.learn.evaluate.audit.requirements import (
    CORRECTNESS,
    FAIRNESS,
    SPEAKER_AVERAGE,
    Requirement,
    Threshold,
)
from sottovoce.learn.evaluate.intervals import Interval

LEAST, MOST = Threshold("a test", least=0.5), Threshold("a test", most=0.1)


def judged(value: float, threshold: Threshold | None) -> str:
    figure = Interval(value, value - 0.3, value + 0.3)
    return Requirement("fairness", "made", "a test", figure=figure, threshold=threshold).verdict


@pytest.mark.parametrize(
    ("value", "threshold", "verdict"),
    [
        (0.501, LEAST, "passed"),
        (0.5, LEAST, "failed"),
        (0.099, MOST, "passed"),
        (-0.099, MOST, "passed"),
        (0.1, MOST, "failed"),
        (-0.2, MOST, "failed"),
        (-0.04, Threshold("a test", least=-0.05), "passed"),
        (0.3, None, "no threshold"),
    ],
)
def test_a_figure_passes_strictly_within_its_threshold(
    value: float, threshold: Threshold | None, verdict: str
) -> None:
    assert judged(value, threshold) == verdict


def test_without_a_figure_nothing_is_judged() -> None:
    assert Requirement("fairness", "made", "a test", threshold=LEAST).verdict == "not possible"


def test_thresholds_are_those_of_ser_tests() -> None:
    """Of its folder test/emotion, 641e204 and b745718; those borrowed are marked."""
    classification = {one.least for name, one in CORRECTNESS.items() if name != "share"}
    assert classification == {0.5}
    assert CORRECTNESS["share"].most == 0.15
    assert SPEAKER_AVERAGE.most == 0.1
    most = {
        by: {name: one.most for name, one in scores.items() if one and not one.borrowed}
        for by, scores in FAIRNESS.items()
    }
    assert most == {
        "sex": {"uar": 0.075, "uap": 0.05, "recall": 0.175, "precision": 0.075},
        "pitch": {"uar": 0.075, "uap": 0.05, "recall": 0.225, "precision": 0.1},
        "language": {"share": 0.1},
        "length": {},
        "background": {},
    }
    asked = {(one.test, one.unchanged, one.uar) for one in CHANGES if one.test}
    assert asked == {
        ("Robustness Small Changes", 0.95, None),
        ("Robustness Background Noise", 0.9, -0.05),
        ("Robustness Low Quality Phone", 0.5, -0.05),
        ("Robustness Recording Condition", 0.8, None),
        ("Robustness Simulated Recording Condition", 0.8, None),
        ("Robustness Spectral Tilt", 0.8, -0.02),
    }
