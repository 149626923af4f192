"""Errors are counted by pair of emotions, by emotion and by speaker."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from sottovoce.learn.evaluate.errors import ConfusedPair, SpeakerErrors, analyse_errors
from sottovoce.learn.evaluate.metrics import LabelledPredictions

LABELS = ("happy", "sad", "angry")


def predictions(truth: list[int], predicted: list[int], speakers: list[str]) -> LabelledPredictions:
    return LabelledPredictions.from_probabilities(
        np.eye(3)[predicted] * 0.94 + 0.02,
        truth=truth,
        speakers=speakers,
        clips=[f"clip{i}" for i in range(len(truth))],
        labels=LABELS,
    )


def test_pairs_and_speakers_are_counted_over_runs() -> None:
    truth, speakers = [0, 0, 1, 1], ["a", "a", "b", "b"]
    runs = [predictions(truth, answers, speakers) for answers in ([0, 1, 1, 1], [1, 1, 1, 2])]
    found = analyse_errors(runs)
    assert found.pairs == (
        ConfusedPair("happy", "sad", 1.5, 0.75),
        ConfusedPair("sad", "angry", 0.5, 0.25),
    )
    assert found.speakers == (
        SpeakerErrors("a", 2, 0.25, "happy as sad"),
        SpeakerErrors("b", 2, 0.75, "sad as angry"),
    )
    assert [errors.clips for errors in found.labels] == [2, 2, 0]
    assert np.isnan(found.labels[2].recall)


def test_precision_recall_and_f1_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, answers = rng.integers(0, 3, 200).tolist(), rng.integers(0, 3, 200).tolist()
    found = analyse_errors([predictions(truth, answers, ["a", "b"] * 100)])
    expected = precision_recall_fscore_support(truth, answers)
    for i, errors in enumerate(found.labels):
        assert (errors.precision, errors.recall, errors.f1, errors.clips) == pytest.approx(
            tuple(column[i] for column in expected)
        )


def test_the_weighted_mean_is_that_of_scikit_learn() -> None:
    truth, answers = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0]  # nothing is taken for the third
    found = analyse_errors([predictions(truth, answers, ["a", "b"] * 3)]).weighted
    expected = precision_recall_fscore_support(truth, answers, average="weighted", zero_division=0)
    assert (found.precision, found.recall, found.f1) == pytest.approx(expected[:3])
    assert found.clips == 6


def test_a_model_without_errors_has_no_pairs() -> None:
    found = analyse_errors([predictions([0, 1, 2], [0, 1, 2], ["a", "b", "b"])])
    assert found.pairs == ()
    assert {errors.confused for errors in found.speakers} == {""}
