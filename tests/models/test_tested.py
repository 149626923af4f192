"""What is said of a model's measurement is of this very model, or nothing is said."""

import json
from pathlib import Path

import numpy as np
import pytest

import sottovoce
from sottovoce.models import tested
from sottovoce.models.registry import DEFAULT, available

CARD = sottovoce.load().card
RECORD = json.loads(available()[DEFAULT].with_suffix(".json").read_text())


def test_the_built_in_models_confusion_gives_its_cards_figures() -> None:
    found = tested.read(available()[DEFAULT], CARD)
    assert found is not None
    recalls = np.diag(found.confusion) / found.confusion.sum(axis=1)
    figures = {figure.metric: figure.value for figure in reversed(CARD.figures)}
    assert recalls.mean() == pytest.approx(figures["uar"], abs=1e-3)
    sure = found.clips > 0
    right = (found.right[sure] * found.clips[sure]).sum() / found.clips.sum()
    assert right == pytest.approx(figures["accuracy"], abs=1e-3)


def test_how_often_an_answer_is_right_is_what_was_counted_of_answers_as_sure() -> None:
    found = tested.read(available()[DEFAULT], CARD)
    assert found is not None
    place = 12  # of 15 bins: 0.8 to 0.867
    assert found.right_at(0.84) == RECORD["reliability"]["right"][place]
    assert found.right_at(1.0) == RECORD["reliability"]["right"][-1]
    assert found.right_at(0.05) is None  # no clip was answered so


def test_a_models_own_run_is_found_beside_it(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(RECORD))
    found = tested.read(tmp_path / "some.onnx", CARD)
    assert found is not None
    assert found.confusion.tolist() == RECORD["confusion"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"},
        {"protocol": "random"},
        {"labels": ["happy", "sad"]},
        {"confusion": [[1.0]]},
        {"reliability": {"clips": [1], "confidence": [0.5], "right": []}},
        {"reliability": None},
    ],
)
def test_what_is_of_another_model_or_not_whole_is_not_drawn(tmp_path: Path, change) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps(RECORD | change))
    assert tested.read(tmp_path / "some.onnx", CARD) is None
    (tmp_path / "metrics.json").write_text("{")
    assert tested.read(tmp_path / "some.onnx", CARD) is None
