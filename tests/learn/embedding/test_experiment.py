"""The recipes of models that take profiles, and what an experiment reads beside the corpora."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sottovoce.errors import RecipeError
from sottovoce.learn.embedding.experiment import noises, unlabelled
from sottovoce.learn.embedding.recipe import EmbeddingRecipe

RECIPES = sorted((Path(__file__).resolve().parents[3] / "recipes" / "profiled").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_sound(path: Path) -> None:
    recipe = EmbeddingRecipe.load(path)
    assert recipe.name == path.stem
    if recipe.classifiers.corpus_weights:
        assert len(recipe.classifiers.corpus_weights) == len(recipe.corpora)
    assert (recipe.network is None) == (recipe.distil is None)
    if recipe.distil:
        assert set(recipe.distil.shares) == set(recipe.corpora)


def test_a_key_that_is_not_known_is_named(tmp_path: Path) -> None:
    text = RECIPES[0].read_text(encoding="utf-8").replace("[window]", "wnidow = 1\n\n[window]")
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(RecipeError, match=r"bad\.toml: .*wnidow"):
        EmbeddingRecipe.load(tmp_path / "bad.toml")


def test_noise_that_is_tested_with_is_not_learned_from_and_voices_need_no_emotion(
    tmp_path: Path,
) -> None:
    for number, name in enumerate(("fan", "crowd")):
        soundfile.write(tmp_path / f"{name}.wav", np.full(1000, (number + 1) / 4), 16_000)
    (fan,) = noises(tmp_path, lambda name: name != "crowd")
    assert fan.shape == (960_000,)
    np.testing.assert_allclose(fan, 0.25, atol=1e-3)
    (tmp_path / "12-34-56.wav").write_bytes((tmp_path / "fan.wav").read_bytes())
    voices = {clip.name: clip for clip in unlabelled(tmp_path)}
    clip = voices["librispeech/12-34-56.wav"]
    assert (clip.speaker, clip.emotion) == ("librispeech/12", "")
