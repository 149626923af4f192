"""The model file says what torch says, at every length, and is written whole or not at all."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tiny_corpus import RATE, RECIPE
from tiny_model import tiny_card

import sottovoce
from sottovoce.audio import Audio
from sottovoce.errors import ModelError
from sottovoce.learn.export.graphs import disagreement
from sottovoce.learn.export.model_file import Calibrated, export_model, to_onnx
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.train.classifier import Classifier
from sottovoce.models.card import Calibration

LENGTHS = (0.5, 0.77, 1.3, 4.0, 10.0, 30.0)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    torch.manual_seed(0)
    return Classifier.build(Recipe.parse(RECIPE.replace("[training]", "[training]\nmembers = 2")))


CARD = tiny_card(
    labels=("neutral", "angry"),
    calibration=Calibration(method="temperature", temperature=1.7, fitted_on="nobody"),
)


@pytest.fixture(scope="module")
def graph(classifier: Classifier) -> bytes:
    return to_onnx(Calibrated(classifier, 1.7).eval(), CARD)


@pytest.fixture(scope="module")
def speech(ravdess: Path) -> np.ndarray:
    """40 s of real speech, (samples,)."""
    paths = sorted(ravdess.rglob("*-02-0?-0?-04.*"))[:12]
    return np.concatenate([Audio.read(path, sample_rate=RATE).samples[0] for path in paths])


def test_the_graph_agrees_with_torch_on_real_clips(
    classifier: Classifier, graph: bytes, speech: np.ndarray
) -> None:
    lengths = [round(seconds * RATE) for seconds in LENGTHS]
    batches = [
        (torch.from_numpy(np.stack([speech[i * RATE :][:samples] for i in range(size)])),)
        for samples in lengths
        for size in (1, 3)
    ]
    assert disagreement(Calibrated(classifier, 1.7).eval(), graph, batches) < 1e-4


def test_the_temperature_is_in_the_graph(classifier: Classifier, graph: bytes) -> None:
    batch = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) / 10
    (found,) = onnxruntime.InferenceSession(graph).run(None, {"waveform": batch})
    logits = classifier.eval()(torch.from_numpy(batch)).detach()
    np.testing.assert_allclose(found, torch.softmax(logits / 1.7, dim=1), atol=1e-5)


def test_gain_changes_no_answer(graph: bytes) -> None:
    session = onnxruntime.InferenceSession(graph)
    batch = np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32) / 10
    loud, quiet = (
        session.run(None, {"waveform": waveform})[0] for waveform in (batch, batch / 100)
    )
    np.testing.assert_allclose(loud, quiet, atol=1e-4)


def test_the_file_opens_and_answers(
    classifier: Classifier, graph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sottovoce.learn.export.model_file.to_onnx", lambda *_: graph)
    check = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) / 10
    path = tmp_path / "new" / "tiny.onnx"
    export_model(classifier, CARD, path, [check])
    model = sottovoce.load(path)
    assert model.card == CARD
    torch_says = Calibrated(classifier, 1.7).eval()(torch.from_numpy(check)).detach().numpy()
    np.testing.assert_allclose(model.probabilities(check), torch_says, atol=1e-4)


def test_no_path_of_this_machine_is_in_the_file(graph: bytes) -> None:
    for place in (Path(sottovoce.__file__).parent, Path(torch.__file__).parent, Path.cwd()):
        assert str(place).encode() not in graph


def test_a_graph_that_disagrees_is_not_written(
    classifier: Classifier, graph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sottovoce.learn.export.model_file.to_onnx", lambda *_: graph)
    check = np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32)
    colder = tiny_card(
        labels=("neutral", "angry"),
        calibration=Calibration(method="temperature", temperature=0.5, fitted_on="nobody"),
    )
    with pytest.raises(ModelError, match="differs from torch"):
        export_model(classifier, colder, tmp_path / "tiny.onnx", [check])
    assert not list(tmp_path.iterdir())
