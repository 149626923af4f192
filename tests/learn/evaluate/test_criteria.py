"""Criteria pass where every figure reaches what is asked, and are silent where nothing is."""

from sottovoce.learn.evaluate.criteria import check_criteria
from sottovoce.learn.recipe.specs import CriteriaSpec

MEASURED = {"accuracy": 0.8, "weighted_f1": 0.79, "uar": 0.7, "recall_sad": 0.9, "recall_calm": 0.5}


def test_each_figure_is_held_against_what_is_asked() -> None:
    found = check_criteria(CriteriaSpec(accuracy=0.8, weighted_f1=0.8, recall=0.75), MEASURED)
    assert {each.name: each.passed for each in found} == {
        "accuracy": True,
        "weighted_f1": False,
        "recall_sad": True,
        "recall_calm": False,
    }
    assert [each.least for each in found] == [0.8, 0.8, 0.75, 0.75]


def test_nothing_asked_is_nothing_checked() -> None:
    assert check_criteria(CriteriaSpec(), MEASURED) == ()


def test_a_check_reads_as_a_sentence() -> None:
    assert list(map(str, check_criteria(CriteriaSpec(accuracy=0.8, recall=0.75), MEASURED))) == [
        "passed: accuracy 80.0 % (80.0 % is asked)",
        "passed: recall of sad 90.0 % (75.0 % is asked)",
        "failed: recall of calm 50.0 % (75.0 % is asked, 25.0 points short)",
    ]
