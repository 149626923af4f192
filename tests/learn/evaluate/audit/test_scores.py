"""Scores of an audit are scikit-learn's, of all clips and of every draw of speakers."""

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from sottovoce.learn.evaluate.audit.scores import by_speaker, confusions, emotions_of, scores_of
from sottovoce.learn.evaluate.intervals import SpeakerDraws, percentile_interval
from sottovoce.learn.evaluate.metrics import LabelledPredictions

LABELS = ("a", "b", "c", "d", "no answer")


def made(seed: int = 0, clips: int = 60) -> LabelledPredictions:
    """Of b and d alone, predicted as anything but d."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(5), clips)
    probabilities[:, 3] = 0
    probabilities /= probabilities.sum(1, keepdims=True)
    return LabelledPredictions.from_probabilities(
        probabilities,
        truth=rng.choice([1, 3], clips),
        speakers=[f"s/{k}" for k in rng.integers(5, size=clips)],
        clips=[f"{k:03}" for k in range(clips)],
        labels=LABELS,
    )


def test_scores_are_those_of_scikit_learn() -> None:
    run = made()
    emotions = emotions_of(run)
    assert emotions == [1, 3]
    scores = scores_of(confusions(run, emotions).sum(0))
    options = {"labels": emotions, "average": None, "zero_division": 0}
    recall = recall_score(run.truth, run.predicted, **options)
    precision = precision_score(run.truth, run.predicted, **options)
    assert scores["recall"] == pytest.approx(recall)
    assert scores["precision"] == pytest.approx(precision)
    assert precision[1] == 0
    assert scores["uar"] == pytest.approx(recall.mean())
    assert scores["uap"] == pytest.approx(precision.mean())
    assert scores["share"] == pytest.approx([(run.predicted == k).mean() for k in emotions])


def test_an_emotion_without_clips_has_no_score_and_is_left_out_of_the_means() -> None:
    confusion = np.array([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    scores = scores_of(confusion)
    assert np.isnan(scores["recall"][1])
    assert np.isnan(scores["precision"][1])
    assert scores["uar"] == 3 / 4
    assert scores["uap"] == 1


def test_draws_are_of_whole_speakers_and_row_0_has_each_once() -> None:
    run = made()
    draws = SpeakerDraws.of(run, 50)
    total = draws.total(np.ones(60))
    assert total[0] == 60
    clips = {name: (run.speakers == name).sum() for name in np.unique(run.speakers)}
    for weights, sum_of in zip(draws.weights, total, strict=True):
        assert weights.sum() == 5
        assert sum_of == weights @ list(clips.values())
    confusion = confusions(run, [1, 3])
    assert by_speaker(draws, confusion)[2] == pytest.approx(
        confusion[run.speakers == np.unique(run.speakers)[2]].sum(0)
    )
    assert draws.total(confusion)[7] == pytest.approx(
        np.tensordot(draws.weights[7], by_speaker(draws, confusion), 1)
    )


def test_a_figure_that_most_draws_lack_has_no_interval() -> None:
    figures = np.array([0.5, *np.linspace(0.4, 0.6, 101)])
    interval = percentile_interval(figures)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.405, 0.595))
    few = figures.copy()
    few[40:] = np.nan
    assert percentile_interval(few) is None
    assert percentile_interval(np.array([np.nan, 0.1, 0.2])) is None
    some = figures.copy()
    some[1:40] = np.nan
    assert percentile_interval(some) is not None
