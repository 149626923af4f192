"""Training on a pretrained encoder: its frozen part stays as it is, its trained layers move."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import RECIPE
from tiny_encoder import tiny_encoder
from voices import CPU, examples, hush

from sottovoce.learn.data.batches import Examples, WholeClips
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.data.feature_store import FeatureStore
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.train.classifier import Classifier, make_frontend, predict_clips
from sottovoce.learn.train.fit import FitResult, fit
from sottovoce.learn.train.lightning_module import Job


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    tiny_encoder("whisper", folder)
    return folder


def recipe(encoder: Path, train_layers: object, *, crop: float) -> Recipe:
    text = RECIPE[: RECIPE.index("[frontend]")]
    return Recipe.parse(
        f"""{text}
[frontend]
name = "pretrained"
encoder = {str(encoder)!r}
train_layers = {train_layers!r}

[network]
name = "layer-head"

[training]
epochs = 12
batch = 8
learning_rate = 1e-2
crop = {crop}
mixup = 0.0
ema = 0.5
"""
    )


def job(recipe: Recipe, folder: Path, store: ClipStore) -> Job:
    parts = [examples(store, first, last) for first, last in ((0, 32), (32, 40))]
    if not recipe.training.crop:
        every = examples(store, 0, len(store))
        clips = WholeClips(every, recipe.window)
        kept = FeatureStore.build(make_frontend(recipe), clips, str(folder))
        parts = [Examples(each.store, each.rows, each.targets, kept) for each in parts]
    return Job(recipe, "seed 0, fold 1", (0, 1), folder, *parts)


def right(trained: FitResult, job: Job) -> float:
    rows = examples(job.training.store, 40, 48)
    found = predict_clips(trained.classifier, WholeClips(rows, job.recipe.window), CPU)
    return float(np.mean(found.argmax(axis=1) == np.array(rows.targets)))


def test_a_head_on_a_frozen_encoder_learns_from_kept_features(
    encoder: Path,
    tmp_path: Path,
    store: ClipStore,
) -> None:
    made = job(recipe(encoder, 0, crop=0.0), tmp_path, store)
    trained = fit(made, CPU, hush)
    assert right(trained, made) == 1.0
    assert trained.classifier.members[0].trained
    names = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert not any("frontend" in name for name in names)
    assert (tmp_path / "checkpoints" / "last.ckpt").stat().st_size < 300_000


@pytest.mark.parametrize("layers", [1, "all"])
def test_layers_that_are_to_be_trained_are_trained(
    encoder: Path,
    tmp_path: Path,
    store: ClipStore,
    layers: object,
) -> None:
    made = job(recipe(encoder, layers, crop=0.6), tmp_path, store)
    before = Classifier.build(made.recipe).frontend
    frozen = before.frozen.state_dict() if before.frozen else {}
    began = {name: each.clone() for name, each in frozen.items()}
    trained = fit(made, CPU, hush)
    assert right(trained, made) >= 0.75
    after = trained.classifier.frontend
    for name, each in before.state_dict().items():
        if each.ndim > 1 and "positions" not in name:
            assert not torch.equal(after.state_dict()[name], each), name
    if after.frozen:
        for name, each in after.frozen.state_dict().items():
            assert torch.equal(each, began[name]), name
