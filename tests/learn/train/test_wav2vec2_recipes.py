"""The recipes of reference E's wav2vec 2.0 train whole, on a tiny encoder with random weights."""

from pathlib import Path

import pytest
from tiny_corpus import write_corpus
from tiny_encoder import tiny_encoder

import sottovoce
from sottovoce.cli import run
from sottovoce.learn.recipe.recipe import Recipe

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("e-wav2vec2-*.toml"))
CODES = (1, 3, 4, 5, 6, 7)
"""Of RAVDESS's emotions, those that E's six are."""


def shortened(recipe: Path, encoder: Path, path: Path) -> Path:
    """The recipe on another encoder and RAVDESS alone, an epoch, two folds."""
    text = recipe.read_text()
    for before, after in (
        ("facebook/wav2vec2-base", str(encoder)),
        ('"ravdess", "tess", "savee"', '"ravdess"'),
        ("folds = 5\nvalidation_speakers = 4", "folds = 2\nvalidation_speakers = 2"),
        ("crop = 3.0", "crop = 0.8"),
    ):
        assert before in text or before.startswith("crop")
        text = text.replace(before, after)
    lines = ["epochs = 1" if line.startswith("epochs") else line for line in text.splitlines()]
    path.write_text("\n".join(lines))
    return path


def test_there_is_one_for_four_and_for_six_emotions_frozen_and_tuned() -> None:
    found = {path.stem: Recipe.load(path) for path in RECIPES}
    assert {name: len(recipe.emotions) for name, recipe in found.items()} == {
        "e-wav2vec2-4": 4,
        "e-wav2vec2-4-tuned": 4,
        "e-wav2vec2-6": 6,
        "e-wav2vec2-6-tuned": 6,
    }
    for name, recipe in found.items():
        trained = "all" if name.endswith("-tuned") else 0
        assert recipe.frontend.options.train_layers == trained


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_from_recipe_to_model_file(recipe: Path, tmp_path: Path) -> None:
    tiny_encoder("wav2vec2", tmp_path / "encoder")
    corpus = write_corpus(tmp_path / "ravdess", speakers=6, repeats=1, emotions=CODES)
    short = shortened(recipe, tmp_path / "encoder", tmp_path / "short.toml")
    out = tmp_path / "run"
    words = ["train", str(short), "--data", f"ravdess={corpus}", "--out", str(out)]
    assert run([*words, "--device", "cpu"]) == 0
    assert run([*words, "--device", "cpu", "--final", "--resume"]) == 0
    model = sottovoce.load(out / f"{recipe.stem}.onnx")
    assert model.labels == Recipe.load(recipe).emotions
    assert (model.card.encoder is None) == ("tuned" in recipe.stem)
