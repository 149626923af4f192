"""A run leaves its report, goes on where it stopped, and refuses what is not its own."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import RECIPE, write_corpus

from sottovoce.errors import CorpusError, SottovoceError
from sottovoce.learn.data.dataset import Data
from sottovoce.learn.evaluate.metrics import LabelledPredictions
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.splits.folds import Fold, Split
from sottovoce.learn.train import cross_validate as module
from sottovoce.learn.train import fit
from sottovoce.learn.train.cross_validate import (
    FoldResult,
    check_folder,
    cross_validate,
    difference,
)

CPU = torch.device("cpu")
SHORT = RECIPE.replace("epochs = 2", "epochs = 1")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("ravdess"), speakers=6)


@pytest.fixture(scope="module")
def data(corpus: Path) -> Data:
    return Data.load(Recipe.parse(SHORT), {"ravdess": corpus})


@pytest.fixture(scope="module")
def finished(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two folds with one seed."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    cross_validate(data, folder, seeds=[0], device=CPU, log=lambda line: None)
    return folder


def test_a_run_leaves_everything_behind(finished: Path) -> None:
    expected = {
        "recipe.toml",
        "metrics.json",
        "summary.md",
        "confusion.png",
        "curves.png",
        "reliability.png",
        "recall.png",
        "roc.png",
        "seed0/predictions.csv",
        *(
            f"seed0/fold{number}/{name}"
            for number in (1, 2)
            for name in (
                "history.csv",
                "logits.npz",
                "checkpoints/best.ckpt",
                "checkpoints/last.ckpt",
            )
        ),
    }
    assert {
        str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()
    } == expected
    assert (finished / "recipe.toml").read_text() == SHORT


def test_every_clip_is_tested_once_and_calibrated(finished: Path, data: Data) -> None:
    predictions = LabelledPredictions.from_csv(finished / "seed0" / "predictions.csv")
    assert sorted(predictions.clips) == sorted(data.name(row) for row in range(len(data.clips)))
    results = [FoldResult.read(finished / f"seed0/fold{number}/logits.npz") for number in (1, 2)]
    scaled = results[0].logits / results[0].temperature
    expected = np.exp(scaled) / np.exp(scaled).sum(axis=1, keepdims=True)
    found = predictions.probabilities[: len(scaled)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert json.loads((finished / "metrics.json").read_text())["clips"] == len(data.clips)


def test_finished_folds_are_not_trained_again(
    finished: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(module, "fit_fold", forbidden)
    before, lines = (finished / "metrics.json").read_bytes(), list[str]()
    cross_validate(data, finished, seeds=[0], device=CPU, log=lines.append)
    assert lines == ["seed 0, fold 1: finished before", "seed 0, fold 2: finished before"]
    assert (finished / "metrics.json").read_bytes() == before


@pytest.mark.parametrize("left", [0, 30, 1000])
def test_a_fold_that_was_cut_short_is_one_line(finished: Path, tmp_path: Path, left: int) -> None:
    cut = tmp_path / "logits.npz"
    cut.write_bytes((finished / "seed0/fold1/logits.npz").read_bytes()[:left])
    with pytest.raises(SottovoceError) as refused:
        FoldResult.read(cut)
    assert str(refused.value).startswith(f"{cut}: cannot be read")
    assert "delete it, and --resume" in str(refused.value)


@pytest.mark.parametrize("left", [0, 30, 1000])
def test_a_checkpoint_that_was_cut_short_is_one_line(
    finished: Path, tmp_path: Path, left: int
) -> None:
    cut = tmp_path / "last.ckpt"
    cut.write_bytes((finished / "seed0/fold1/checkpoints/last.ckpt").read_bytes()[:left])
    with pytest.raises(SottovoceError) as refused:
        fit._load(cut)
    assert str(refused.value).startswith(f"{cut}: cannot be read")


def test_a_run_is_not_overwritten_by_accident(finished: Path, data: Data) -> None:
    with pytest.raises(SottovoceError, match="--resume"):
        check_folder(finished, data.recipe, resume=False)
    check_folder(finished, data.recipe, resume=True)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("learning_rate = 1e-2", "learning_rate = 1e-3", "training.learning_rate"),
        ("width = 8", "width = 16", "network.options"),
        ('name = "speakers"', 'name = "loso"', "protocol.name"),
    ],
)
def test_a_run_of_another_recipe_is_refused(finished: Path, old: str, new: str, key: str) -> None:
    with pytest.raises(SottovoceError, match=key):
        check_folder(finished, Recipe.parse(SHORT.replace(old, new)), resume=True)


def test_words_and_seeds_make_no_other_experiment() -> None:
    other = SHORT.replace("Two emotions", "2 emotions").replace("[0, 1]", "[0, 1, 2]")
    assert difference(Recipe.parse(SHORT), Recipe.parse("# why\n" + other)) == ""


def test_a_fold_of_other_clips_is_refused(finished: Path, data: Data, tmp_path: Path) -> None:
    fewer = Data.load(data.recipe, {"ravdess": write_corpus(tmp_path, speakers=8)})
    with pytest.raises(SottovoceError, match="other clips"):
        cross_validate(fewer, finished, seeds=[0], device=CPU, log=lambda line: None)


def test_some_folds_say_that_they_are_not_all(data: Data, finished: Path, tmp_path: Path) -> None:
    for part in ("recipe.toml", "seed0/fold2/logits.npz", "seed0/fold2/history.csv"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / part).write_bytes((finished / part).read_bytes())
    cross_validate(data, tmp_path, seeds=[0], folds=[2], device=CPU, log=lambda line: None)
    assert (
        json.loads((tmp_path / "metrics.json").read_text())["note"] == "Only 1 of 2 folds were run."
    )


def test_a_fold_that_is_not_there_is_named(data: Data, tmp_path: Path) -> None:
    with pytest.raises(SottovoceError, match="fold 3: protocol speakers has folds 1 to 2"):
        cross_validate(data, tmp_path, seeds=[0], folds=[3], device=CPU, log=lambda line: None)


def test_some_folds_of_several_seeds_must_hold_the_same_clips(data: Data, tmp_path: Path) -> None:
    with pytest.raises(SottovoceError, match="one seed at a time"):
        cross_validate(data, tmp_path, seeds=[0, 1], folds=[1], device=CPU, log=lambda line: None)


def test_a_leaking_split_stops_before_anything_is_trained(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak = Split("speakers", (Fold("1", (0, 1, 2), (), (2, 3)),), optimistic=False)
    monkeypatch.setattr(module, "make_split", lambda *_: leak)
    with pytest.raises(CorpusError, match="train"):
        cross_validate(data, tmp_path, seeds=[0], device=CPU, log=lambda line: None)
    assert not list(tmp_path.iterdir())


def test_a_protocol_without_tests_cannot_be_cross_validated(data: Data, tmp_path: Path) -> None:
    none = Recipe.parse(SHORT.replace('name = "speakers"', 'name = "none"'))
    alone = Data(none, data.clips, data.store, None)
    with pytest.raises(CorpusError, match="none tests nobody"):
        cross_validate(alone, tmp_path, seeds=[0], device=CPU, log=lambda line: None)


def test_without_validation_speakers_nothing_is_calibrated(data: Data, tmp_path: Path) -> None:
    bare = Recipe.parse(SHORT.replace("validation_speakers = 2", "validation_speakers = 0"))
    alone = Data(bare, data.clips, data.store, None)
    fold = Fold("1", tuple(range(8, 16)), (), tuple(range(8)))
    assert module.run_fold(alone, fold, 1, 0, tmp_path, CPU, lambda line: None).temperature == 1.0


def test_folders_must_be_those_the_recipe_names(corpus: Path) -> None:
    recipe = Recipe.parse(SHORT)
    with pytest.raises(CorpusError, match="--data ravdess=DIR"):
        Data.load(recipe, {})
    with pytest.raises(CorpusError, match="does not use savee"):
        Data.load(recipe, {"ravdess": corpus, "savee": corpus})
    noisy = Recipe.parse(SHORT.replace("[augment]", "[augment]\nnoise = 0.5"))
    with pytest.raises(CorpusError, match="--data noise=DIR"):
        Data.load(noisy, {"ravdess": corpus})


def test_an_emotion_without_clips_is_named(corpus: Path) -> None:
    recipe = Recipe.parse(SHORT.replace('"angry"]', '"angry", "sad"]'))
    with pytest.raises(CorpusError, match="no clip of ravdess is sad"):
        Data.load(recipe, {"ravdess": corpus})


def test_noise_is_read_from_its_folder(corpus: Path) -> None:
    noisy = Recipe.parse(SHORT.replace("[augment]", "[augment]\nnoise = 0.5"))
    data = Data.load(noisy, {"ravdess": corpus, "noise": corpus / "Actor_01"})
    assert data.noise is not None
    assert len(data.noise) == 4
