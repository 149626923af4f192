"""What a metric says agrees with scikit-learn, and predictions that make no sense are refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
)

from sottovoce.errors import SottovoceError
from sottovoce.learn.evaluate.metrics import (
    BINS,
    FLOOR,
    LabelledPredictions,
    compute_metrics,
    confusion,
)

LABELS = ("neutral", "calm", "happy", "sad", "angry")


def simulated(
    seed: int = 0, speakers: int = 12, clips: int = 20, skill: float = 1.0
) -> LabelledPredictions:
    """Clips of unequal classes; a better `skill` puts more weight on the right one."""
    rng = np.random.default_rng(seed)
    count = speakers * clips
    truth = rng.choice(len(LABELS), size=count, p=[0.1, 0.15, 0.2, 0.25, 0.3])
    logits = rng.normal(size=(count, len(LABELS)))
    logits[np.arange(count), truth] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return LabelledPredictions.from_probabilities(
        probabilities,
        truth=truth,
        speakers=[f"c/{i // clips:02d}" for i in range(count)],
        clips=[f"clip{i:04d}" for i in range(count)],
        labels=LABELS,
    )


def test_metrics_agree_with_scikit_learn() -> None:
    predictions = simulated()
    truth, predicted = predictions.truth, predictions.predicted
    measured = compute_metrics(predictions)
    assert measured["uar"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert measured["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert measured["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert measured["weighted_f1"] == pytest.approx(f1_score(truth, predicted, average="weighted"))
    precision = precision_score(truth, predicted, average="weighted")
    assert measured["weighted_precision"] == pytest.approx(precision)
    assert measured["nll"] == pytest.approx(log_loss(truth, predictions.probabilities))
    recalls = recall_score(truth, predicted, average=None)
    assert [measured[f"recall_{label}"] for label in LABELS] == pytest.approx(list(recalls))
    assert np.array_equal(confusion(predictions), confusion_matrix(truth, predicted))


def test_ece_is_the_definition_of_guo_written_out() -> None:
    predictions = simulated()
    confidence = predictions.probabilities.max(axis=1)
    right = predictions.predicted == predictions.truth
    expected = 0.0
    for m in range(BINS):
        inside = (confidence > m / BINS) & (confidence <= (m + 1) / BINS)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            expected += inside.mean() * gap
    assert compute_metrics(predictions)["ece"] == pytest.approx(expected)


def test_a_model_that_is_sure_and_half_right_has_an_ece_of_one_half() -> None:
    predictions = LabelledPredictions.from_probabilities(
        [[1, 0], [1, 0]], truth=[0, 1], speakers=["a", "b"], clips=["x", "y"], labels=("p", "q")
    )
    measured = compute_metrics(predictions)
    assert measured["ece"] == pytest.approx(0.5)
    assert measured["nll"] == pytest.approx(-np.log(FLOOR) / 2)  # not infinite


def test_a_class_that_does_not_occur_is_left_out() -> None:
    everything = simulated()
    some = everything.take(np.flatnonzero(everything.truth != 1))
    measured = compute_metrics(some)
    assert "recall_calm" not in measured
    present = [0, 2, 3, 4]
    recalls = recall_score(some.truth, some.predicted, labels=present, average="macro")
    f1 = f1_score(some.truth, some.predicted, labels=present, average="macro")
    assert measured["uar"] == pytest.approx(recalls)
    assert measured["macro_f1"] == pytest.approx(f1)
    assert not any(np.isnan(list(measured.values())))


def test_a_csv_gives_the_same_figures_back(tmp_path: Path) -> None:
    predictions = simulated()
    path = tmp_path / "predictions.csv"
    predictions.to_csv(path)
    again = LabelledPredictions.from_csv(path)
    assert again.labels == predictions.labels
    assert np.array_equal(again.clips, predictions.clips)
    assert np.array_equal(again.speakers, predictions.speakers)
    assert compute_metrics(again) == pytest.approx(compute_metrics(predictions), abs=1e-5)
    header, first = path.read_text().splitlines()[:2]
    assert header == "clip,speaker,truth,predicted,neutral,calm,happy,sad,angry"
    assert first.startswith(f"clip0000,c/00,{LABELS[predictions.truth[0]]},")


@pytest.mark.parametrize("name", ['a, "b"\nc', os.fsdecode(b"not-utf8-\xff"), "größer", "=1+1"])
def test_any_file_name_survives_a_csv(tmp_path: Path, name: str) -> None:
    predictions = LabelledPredictions.from_probabilities(
        [[0.5, 0.5]], truth=[0], speakers=["s"], clips=[name], labels=("p", "q")
    )
    predictions.to_csv(tmp_path / "p.csv")
    assert LabelledPredictions.from_csv(tmp_path / "p.csv").clips[0] == name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": [0, 2]}, "expected indices 0 to 1"),
        ({"truth": [0]}, "do not fit together"),
        ({"log_probabilities": np.zeros((2, 2))}, "clip x: its probabilities sum to 2"),
        ({"log_probabilities": [[0, -np.inf], [0, -40]]}, "finite log probabilities"),
        ({"log_probabilities": [[-0.7, np.nan], [0, -40]]}, "finite log probabilities"),
        ({"clips": ["x", "x"]}, "clip x occurs 2 times"),
        ({"labels": ("p", "q", "r")}, "do not fit together"),
    ],
)
def test_predictions_that_make_no_sense_are_refused(
    change: dict[str, object], message: str
) -> None:
    good = {
        "truth": [0, 1],
        "log_probabilities": np.log([[0.5, 0.5], [0.25, 0.75]]),
        "speakers": ["a", "b"],
        "clips": ["x", "y"],
        "labels": ("p", "q"),
    }
    LabelledPredictions(**good)  # type: ignore[arg-type]
    with pytest.raises(SottovoceError, match=message):
        LabelledPredictions(**(good | change))  # type: ignore[arg-type]


def test_no_clips_at_all_are_refused() -> None:
    with pytest.raises(SottovoceError, match="0 clips"):
        LabelledPredictions.from_probabilities(
            np.zeros((0, 2)), truth=[], speakers=[], clips=[], labels=("p", "q")
        )


HEADER = "clip,speaker,truth,predicted,p,q\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a table of predictions"),
        ("a,b\n1,2\n", "columns a, b; expected clip, speaker, truth, predicted"),
        (HEADER + "x,s,p,p,0.5,0.5\nx,s,r,p,0.5,0.5\n", "line 3"),
        (HEADER + "x,s,p,p,0.5,half\n", "line 2"),
        (HEADER + "x,s,p,p,0.5\n", "line 2: 5 cells instead of 6"),
        (HEADER, "0 clips"),
    ],
)
def test_a_csv_that_is_something_else_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(SottovoceError, match=message):
        LabelledPredictions.from_csv(path)


def test_a_csv_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SottovoceError, match="not a table of predictions"):
        LabelledPredictions.from_csv(tmp_path / "none.csv")
