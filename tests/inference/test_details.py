"""The details of a prediction are those of the prediction, and its features those of the recipe."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_model import VOICE

import sottovoce
from sottovoce.cli import run
from sottovoce.errors import ModelError, SottovoceError
from sottovoce.models.model_file import with_features

MODELS = Path(__file__).parents[2] / "models"
SHAPES = {
    "a-cnn-lstm": (262, 150),
    "b-cnn-bilstm": (174, 128),
    "b-gru": (40, 128),
    "b-forest": (80, 1),
    "c-cnn-bilstm": (40, 174),
    "d-inception": (64, 188),
    "e-mel-cnn-lstm": (64, 188),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_shape_is_that_of_the_reference_system(name: str) -> None:
    model = sottovoce.load(MODELS / f"{name}.onnx")
    found = model.details(VOICE)
    assert found.shape == SHAPES[name]
    expected = model.predict(VOICE)
    assert found.prediction == expected
    assert found.duration == expected.duration
    assert list(found.seconds) == ["decode", "gate", "features", "network"]


def test_the_built_in_model_has_features_too() -> None:
    found = sottovoce.load().details(VOICE)
    assert found.shape is not None
    assert found.features is not None
    assert np.isfinite(found.features).all()


def test_what_is_not_judged_has_no_features() -> None:
    found = sottovoce.load(MODELS / "b-gru.onnx").details((np.zeros(32_000), 16_000))
    assert (str(found.prediction.status), found.features, found.shape) == ("silence", None, None)
    assert list(found.seconds) == ["decode", "gate"]


def test_a_long_recording_is_one_clear_line() -> None:
    model = sottovoce.load(MODELS / "b-gru.onnx")
    with pytest.raises(SottovoceError, match="61 s, and the details are those of 60 s at most"):
        model.details((np.zeros(61 * 16_000), 16_000))


def test_a_file_that_changed_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes((MODELS / "b-knn.onnx").read_bytes())
    model = sottovoce.load(path)
    path.write_bytes((MODELS / "b-svm.onnx").read_bytes())
    with pytest.raises(ModelError, match="changed since it was opened"):
        model.details(VOICE)


def test_a_graph_without_a_network_is_one_clear_line(tiny: Path) -> None:
    with pytest.raises(ModelError, match="no weight of a network is found"):
        with_features(tiny.read_bytes(), "waveform")


def test_the_features_are_those_of_the_recipe() -> None:
    torch = pytest.importorskip("torch")
    from sottovoce.learn.recipe.recipe import Recipe
    from sottovoce.learn.train.classifier import make_frontend

    model = sottovoce.load(MODELS / "d-inception.onnx")  # each clip normalised by itself
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 96_000)).astype(np.float32)
    frontend = make_frontend(Recipe.parse(model.card.recipe))
    with torch.inference_mode():
        expected = frontend.normalised(frontend.raw(torch.from_numpy(noise)))
    np.testing.assert_allclose(model.features(noise), expected, atol=2e-3)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_command_says_and_draws_it(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / f"details.{kind}"
    words = ["details", str(VOICE), "--model", str(MODELS / "c-cnn-bilstm.onnx")]
    assert run([*words, "--plot", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "features: 40 in 174 frames"
    assert lines[2].startswith("decode ")
    assert picture.stat().st_size > 1000
    assert run([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["shape"] == [40, 174]
    assert set(record["milliseconds"]) == {"decode", "gate", "features", "network"}
    assert run([*words, "--plot", str(tmp_path / "x.bmp")]) == 2
