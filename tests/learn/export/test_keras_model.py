"""Keras files say what the model file says, and the code that C's users have runs on them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import RECIPE
from tiny_model import tiny_card

import sottovoce
from sottovoce.audio import Audio
from sottovoce.cli import run
from sottovoce.errors import ModelError
from sottovoce.learn.export.model_file import export_model
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.train.classifier import Classifier
from sottovoce.models.card import Calibration

keras_model = pytest.importorskip("sottovoce.learn.export.keras_model")
keras = keras_model.keras

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # by Keras
    pytest.mark.filterwarnings("ignore:.*slated for removal:DeprecationWarning"),  # by librosa
]

MODELS = Path(__file__).parents[3] / "models"
HEAD, _, TAIL = RECIPE.partition("[frontend]")
SMALL = f"""{HEAD}[frontend]
name = "stack"
frames = 31
parts = [{{ name = "mfcc", coefficients = 8 }}]

[network]
name = "cnn-bilstm"
filters = [8, 6]
kernels = [5, 3]
pool = 3
units = [5, 4]
summary = "SUMMARY"
dense = 7

[training]{TAIL.partition("[training]")[2].partition("[augment]")[0]}"""


def write_model(folder: Path, text: str) -> Path:
    """The file of an untrained model of a recipe, with a temperature."""
    torch.manual_seed(0)
    recipe = Recipe.parse(text)
    card = tiny_card(
        labels=recipe.emotions,
        sample_rate=recipe.sample_rate,
        recipe=recipe.text,
        calibration=Calibration(method="temperature", temperature=1.7, fitted_on="nobody"),
    )
    noise = np.random.default_rng(0).normal(0, 0.1, (2, recipe.sample_rate)).astype(np.float32)
    path = folder / "small.onnx"
    export_model(Classifier.build(recipe).eval(), card, path, [noise])
    return path


@pytest.mark.parametrize("summary", ["last", "mean", "attention"])
def test_every_kind_of_network_agrees(summary: str, tmp_path: Path) -> None:
    path = write_model(tmp_path, SMALL.replace("SUMMARY", summary))
    rng = np.random.default_rng(1)
    clips = [rng.normal(0, 0.1, size).astype(np.float32) for size in (9_000, 16_000, 40_000)]
    made = keras_model.export_keras(path, tmp_path / "keras", clips)
    assert made.difference < 1e-5
    assert made.clips == 3
    assert [file.suffix for file in made.files] == [".keras", ".h5", ".json"]


def test_networks_side_by_side_are_one_clear_line(tmp_path: Path) -> None:
    text = SMALL.replace("SUMMARY", "mean").replace("[training]", "[training]\nmembers = 2")
    path = write_model(tmp_path, text)
    with pytest.raises(ModelError, match="2 networks side by side"):
        keras_model.export_keras(path, tmp_path, [])


def test_a_network_that_differs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_model(tmp_path, SMALL.replace("SUMMARY", "mean"))
    monkeypatch.setattr(keras_model, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="the Keras files differ from it by"):
        keras_model.export_keras(path, tmp_path, [np.zeros(16_000, np.float32)])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["b-gru", "--to", "keras"], "its network is gru, which is not written for Keras"),
        (["sottovoce-whisper", "--to", "keras"], "a head on a pretrained encoder"),
    ],
)
def test_what_keras_cannot_hold_is_one_clear_line(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model, *rest = words
    assert run(["export", str(MODELS / f"{model}.onnx"), *rest]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


def test_cs_own_code_runs_on_the_files(
    ravdess: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    librosa = pytest.importorskip("librosa")
    clips = sorted(ravdess.rglob("03-01-0?-02-01-01-0[12].*"))[:8]
    words = ["export", str(MODELS / "c-cnn-bilstm.onnx"), "--to", "keras", "--out", str(tmp_path)]
    assert run([*words, "--data", f"ravdess={ravdess}", "--clips", "8"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("on 8 clips.")
    assert float(last.split()[6].rstrip(",")) < 1e-4
    original = sottovoce.load(MODELS / "c-cnn-bilstm.onnx")
    for suffix in ("keras", "h5"):
        # What users of C have, with its scaler and its encoder read from the side file.
        info = json.loads((tmp_path / "c-cnn-bilstm.json").read_text())
        model = keras.models.load_model(tmp_path / f"c-cnn-bilstm.{suffix}", compile=False)
        mean, std = np.array(info["mean"]), np.array(info["std"])
        for clip in clips:
            y, rate = librosa.load(clip, sr=info["sample_rate"])
            mfcc = librosa.feature.mfcc(y=y, sr=rate, n_mfcc=40).T[:174]
            mfcc = np.pad(mfcc, ((0, 174 - len(mfcc)), (0, 0)))
            found = model.predict(((mfcc - mean) / std)[None], verbose=0)[0]
            label = info["labels"][found.argmax()]

            sound = Audio.read(clip, sample_rate=original.card.sample_rate).samples
            expected = original.probabilities(sound)[0]
            assert np.abs(found - expected).max() < 1e-3
            assert label == original.labels[expected.argmax()]
