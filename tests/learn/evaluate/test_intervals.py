"""Intervals come from resampling speakers: they agree with a plain loop and cover the truth."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, recall_score

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.intervals import intervals
from sottovoce.learn.evaluate.metrics import LabelledPredictions, compute_metrics


def simulated(
    rng: np.random.Generator, speakers: int = 10, clips: int = 12, spread: float = 0.0
) -> LabelledPredictions:
    """Four classes; `spread` is how much speakers differ in how well they are understood."""
    count, classes = speakers * clips, 4
    group = np.arange(count) // clips
    truth = np.arange(count) % classes
    easy = 1.0 + spread * rng.normal(size=speakers)
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), truth] += easy[group]
    return LabelledPredictions.from_probabilities(
        np.exp(logits) / np.exp(logits).sum(1, keepdims=True),
        truth=truth,
        speakers=[f"{g:03d}" for g in group],
        clips=[f"{i:05d}" for i in range(count)],
        labels=("a", "b", "c", "d"),
    )


def test_intervals_equal_a_plain_loop_over_draws_and_runs() -> None:
    rng = np.random.default_rng(1)
    first = simulated(rng, spread=0.5)
    second = simulated(rng, spread=0.5)
    draws, names = 120, np.unique(first.speakers)
    counts = np.random.default_rng(5).multinomial(len(names), [1 / len(names)] * len(names), draws)
    expected: dict[str, list[float]] = {"uar": [], "macro_f1": [], "nll": [], "ece": [], "r": []}
    for draw in counts:
        rows = np.concatenate(
            [
                np.tile(np.flatnonzero(first.speakers == n), c)
                for n, c in zip(names, draw, strict=True)
            ]
        )
        both = []
        for run in (first, second):
            truth, predicted = run.truth[rows], run.predicted[rows]
            confidence, right = run.probabilities[rows].max(1), truth == predicted
            bins = np.ceil(confidence * 15)
            gaps = [abs((confidence - right)[bins == b].sum()) for b in range(1, 16)]
            both.append(
                {
                    "uar": balanced_accuracy_score(truth, predicted),
                    "macro_f1": f1_score(truth, predicted, average="macro"),
                    "nll": log_loss(truth, run.probabilities[rows], labels=[0, 1, 2, 3]),
                    "ece": sum(gaps) / len(rows),
                    "r": recall_score(truth, predicted, average=None)[2],
                }
            )
        for name, values in expected.items():
            values.append((both[0][name] + both[1][name]) / 2)
    measured = intervals([first, second], draws=draws, seed=5)
    for name, values in expected.items():
        low, high = np.percentile(values, (2.5, 97.5))
        interval = measured["recall_c" if name == "r" else name]
        assert (interval.low, interval.high) == (pytest.approx(low), pytest.approx(high)), name


def test_the_value_is_the_mean_over_runs_on_all_clips() -> None:
    rng = np.random.default_rng(2)
    runs = [simulated(rng) for _ in range(3)]
    measured = intervals(runs, draws=100)
    for name, interval in measured.items():
        assert interval.value == pytest.approx(
            np.mean([compute_metrics(run)[name] for run in runs])
        )
        assert interval.low <= interval.value <= interval.high


def test_an_interval_holds_its_value_even_where_every_draw_lies_above() -> None:
    """Right exactly as often as sure, in three bins: an ECE of 0, that any draw raises."""
    sure = np.repeat([0.55, 0.75, 0.95], 40)
    predictions = LabelledPredictions.from_probabilities(
        np.stack([sure, 1 - sure], axis=1),
        truth=np.concatenate([np.arange(40) >= round(40 * c) for c in (0.55, 0.75, 0.95)]),
        speakers=[f"{i:03d}" for i in range(120)],
        clips=[f"{i:03d}" for i in range(120)],
        labels=("p", "q"),
    )
    ece = intervals(predictions, draws=1000)["ece"]
    assert ece.low == ece.value == pytest.approx(0, abs=1e-9)
    assert ece.high > 0.05


def test_the_order_of_clips_does_not_matter() -> None:
    run = simulated(np.random.default_rng(3))
    shuffled = run.take(np.random.default_rng(0).permutation(len(run.clips)))
    plain, mixed = intervals(run, draws=100), intervals([run, shuffled], draws=100)
    assert all(mixed[name].low == pytest.approx(plain[name].low) for name in plain)


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    run = simulated(np.random.default_rng(4), spread=1)
    assert intervals(run, draws=100, seed=1) == intervals(run, draws=100, seed=1)
    assert intervals(run, draws=100, seed=1) != intervals(run, draws=100, seed=2)


def test_an_interval_covers_the_truth_where_speakers_differ() -> None:
    """Of 95 % intervals, near 95 % hold the true figure; those from clips hold far fewer.

    200 studies of 30 speakers: a percentile bootstrap covers a little less than it says, and the
    binomial spread of 200 trials is 1.5 %, so 90 % is the least that a right one gives.
    """
    rng = np.random.default_rng(6)
    truth = compute_metrics(simulated(rng, speakers=3000, clips=12, spread=1.0))["accuracy"]
    by_speaker = by_clip = 0
    for _ in range(200):
        study = simulated(rng, speakers=30, clips=12, spread=1.0)
        apart = LabelledPredictions(
            study.truth, study.log_probabilities, study.clips, study.clips, study.labels
        )
        for_speakers = intervals(study, draws=200)["accuracy"]
        for_clips = intervals(apart, draws=200)["accuracy"]
        by_speaker += for_speakers.low <= truth <= for_speakers.high
        by_clip += for_clips.low <= truth <= for_clips.high
    assert by_speaker >= 180
    assert by_clip < by_speaker


def test_a_class_that_only_one_speaker_has_is_measured_on_the_draws_that_hold_it() -> None:
    run = simulated(np.random.default_rng(7))
    rare = run.take(np.flatnonzero((run.truth != 3) | (run.speakers == "004")))
    measured = intervals(rare, draws=500)
    only = measured["recall_d"]
    assert only.low == only.value == only.high == pytest.approx(compute_metrics(rare)["recall_d"])
    assert np.isfinite([[i.value, i.low, i.high] for i in measured.values()]).all()


def test_a_class_that_nobody_has_is_left_out() -> None:
    run = simulated(np.random.default_rng(8))
    measured = intervals(run.take(np.flatnonzero(run.truth != 3)), draws=100)
    assert "recall_d" not in measured
    assert "recall_c" in measured


@pytest.mark.parametrize("speaker", ["table/ann", "table/unknown"])
def test_clips_are_drawn_where_there_is_one_speaker_or_none_is_known(speaker: str) -> None:
    run = simulated(np.random.default_rng(9))
    alone = dataclasses.replace(run, speakers=np.full(len(run.clips), speaker))
    by_clip = dataclasses.replace(run, speakers=run.clips)
    assert intervals(alone, draws=200) == intervals(by_clip, draws=200)


def test_clips_are_drawn_where_some_speakers_are_not_known() -> None:
    run = simulated(np.random.default_rng(9))
    some = run.speakers.astype("<U20")
    some[:30] = "table/unknown"
    mixed = dataclasses.replace(run, speakers=some)
    assert mixed.num_speakers == 0
    by_clip = dataclasses.replace(run, speakers=run.clips)
    assert intervals(mixed, draws=200) == intervals(by_clip, draws=200)


def test_what_cannot_be_measured_is_refused() -> None:
    run = simulated(np.random.default_rng(9))
    with pytest.raises(SottovoceError, match="no run"):
        intervals([])
    with pytest.raises(SottovoceError, match="10 draws"):
        intervals(run, draws=10)
    with pytest.raises(SottovoceError, match="run 2 and run 1 differ"):
        intervals([run, run.take(range(60))])
