"""The final model takes figures and temperature from a finished run of the same recipe."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import RECIPE, write_corpus

import sottovoce
from sottovoce.errors import SottovoceError
from sottovoce.learn.data.batches import WholeClips
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.evaluate.calibration import apply_temperature, fit_temperature
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.train.classifier import Classifier, predict_clips
from sottovoce.learn.train.cross_validate import FoldResult, cross_validate
from sottovoce.learn.train.final_model import CrossValidationResult, make_card, train_final

CPU = torch.device("cpu")
RECIPE_OF_RUN = Recipe.parse(RECIPE.replace("epochs = 2", "epochs = 1"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    corpus = write_corpus(tmp_path_factory.mktemp("ravdess"), speakers=6)
    return Data.load(RECIPE_OF_RUN, {"ravdess": corpus})


@pytest.fixture(scope="module")
def folder(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    cross_validate(data, folder, seeds=[0, 1], device=CPU, log=lambda line: None)
    return folder


@pytest.fixture(scope="module")
def model_file(data: Data, folder: Path) -> Path:
    measured = CrossValidationResult.read(folder, data.recipe)
    return train_final(data, folder, measured, CPU, lambda line: None)


def test_temperature_and_figures_are_the_runs(data: Data, folder: Path) -> None:
    measured = CrossValidationResult.read(folder, data.recipe)
    results = [FoldResult.read(path) for path in folder.rglob("logits.npz")]
    assert len(results) == 4
    expected = fit_temperature(
        np.concatenate([each.logits for each in results]),
        np.concatenate([each.truth for each in results]),
    )
    assert measured.temperature == pytest.approx(expected, rel=1e-6)
    record = json.loads((folder / "metrics.json").read_text())["metrics"]
    assert {figure.metric: figure.value for figure in measured.figures} == {
        name: each["value"] for name, each in record.items()
    }
    assert (measured.protocol.seeds, measured.protocol.folds, measured.epochs) == ((0, 1), 2, 1)


def test_the_file_predicts_what_the_checkpoint_does(
    data: Data, folder: Path, model_file: Path
) -> None:
    model = sottovoce.load(model_file)
    classifier = Classifier.build(data.recipe)
    saved = torch.load(folder / "final" / "checkpoints" / "last.ckpt", weights_only=True)
    weights = {name.removeprefix("classifier."): v for name, v in saved["state_dict"].items()}
    classifier.load_state_dict(weights)
    whole = WholeClips(data.examples([3]), data.recipe.window)
    expected = apply_temperature(
        predict_clips(classifier, whole, CPU), model.card.calibration.temperature
    )
    found = model.probabilities(whole[0].sound.numpy())
    np.testing.assert_allclose(found, np.exp(expected), atol=1e-4)


def test_the_card_tells_what_it_was_made_of(data: Data, model_file: Path) -> None:
    card = sottovoce.load(model_file).card
    assert (card.name, card.labels) == ("tiny", ("neutral", "angry"))
    assert [(each.name, each.clips, each.speakers) for each in card.corpora] == [("ravdess", 24, 6)]
    assert card.recipe == data.recipe.text
    assert card.calibration.method == "temperature"
    assert "trained afterwards on all clips" in card.protocol.note


def test_without_a_run_nothing_is_claimed(data: Data) -> None:
    card = make_card(data, None)
    assert (card.figures, card.calibration.method, card.calibration.temperature) == ((), "none", 1)


def test_figures_of_another_recipe_are_refused(folder: Path) -> None:
    other = Recipe.parse(RECIPE_OF_RUN.text.replace("mixup = 0.2", "mixup = 0.3"))
    with pytest.raises(SottovoceError, match=r"training\.mixup differs"):
        CrossValidationResult.read(folder, other)


def test_an_unfinished_run_has_no_figures(data: Data, tmp_path: Path) -> None:
    with pytest.raises(SottovoceError, match="no finished cross-validation"):
        CrossValidationResult.read(tmp_path, data.recipe)


def test_figures_of_some_folds_are_refused(data: Data, folder: Path, tmp_path: Path) -> None:
    record = json.loads((folder / "metrics.json").read_text())
    record["note"] = "Only 1 of 2 folds were run."
    (tmp_path / "metrics.json").write_text(json.dumps(record))
    (tmp_path / "recipe.toml").write_text(data.recipe.text)
    with pytest.raises(SottovoceError, match="Only 1 of 2 folds were run"):
        CrossValidationResult.read(tmp_path, data.recipe)


def test_the_recipes_sample_rate_holds_from_the_clips_to_the_model_file(tmp_path: Path) -> None:
    recipe = Recipe.parse("sample_rate = 8000\n" + RECIPE.replace("epochs = 2", "epochs = 1"))
    data = Data.load(recipe, {"ravdess": write_corpus(tmp_path / "ravdess", speakers=6)})
    path = train_final(data, tmp_path, None, CPU, lambda line: None)
    model = sottovoce.load(path)
    clip = model.predict(data.clips[0].path)
    assert data.store.sample_rate == model.card.sample_rate == 8000
    assert clip.duration == pytest.approx(data.clips[0].duration, abs=0.01)
