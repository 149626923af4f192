"""Clips are decoded once; cached features are found by everything that they follow from alone."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from ramps import RATE, WINDOW
from tiny_corpus import RECIPE, write_corpus

from sottovoce.audio import Audio, parts
from sottovoce.audio.parts import AudioPart
from sottovoce.learn.data import augmentation
from sottovoce.learn.data.batches import ChangedClips, Examples, WholeClips
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.data.dataset import Data, features_key
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.recipe.specs import AugmentSpec

ALL_ON = {"copies": 2, "cut": 0.25, "gain": 6.0, "noise": 0.5, "equaliser": 3.0, "pitch": 1.0}
CHANGES: dict[str, object] = {
    "copies": 3,
    "cut": 0.3,
    "cut_random": 1.0,
    "gain": 12.0,
    "noise": 1.0,
    "noise_snr": (5.0, 10.0),
    "equaliser": 6.0,
    "speed": 0.1,
    "pitch": 2.0,
    "pitch_probability": 1.0,
    "formant": 0.1,
    "time_mask": 1,
    "time_mask_max": 0.1,
    "frequency_mask": 1,
    "frequency_mask_max": 5,
}


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    path = tmp_path_factory.mktemp("noise") / "noise.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    return ClipStore.build([AudioPart(path)], ["noise of the tests"], RATE)


def key(examples: Examples, recordings: ClipStore | None, copy: int = 1, **augment: object) -> str:
    spec = AugmentSpec.model_validate({**ALL_ON, **augment})
    recipe = Recipe.parse(RECIPE).model_copy(update={"augment": spec})
    return features_key(recipe, "identity", examples.store, recordings, copy)


def test_every_option_of_augmentation_is_tried_here() -> None:
    assert CHANGES.keys() == AugmentSpec.model_fields.keys()


@pytest.mark.parametrize("option", CHANGES)
def test_copies_that_are_changed_otherwise_have_another_key(
    option: str, examples: Examples, noise: ClipStore
) -> None:
    def sound(**augment: object) -> list[torch.Tensor]:
        spec = AugmentSpec.model_validate({**ALL_ON, **augment})
        changed = ChangedClips(WholeClips(examples, WINDOW), spec, noise, seed=1)
        return [changed[number].sound for number in range(len(changed))]

    changed = {option: CHANGES[option]}
    same = all(
        a.shape == b.shape and torch.equal(a, b)
        for a, b in zip(sound(), sound(**changed), strict=True)
    )
    assert (key(examples, noise) == key(examples, noise, **changed)) == same


def test_another_augmentation_noise_copy_or_set_of_clips_has_another_key(
    examples: Examples, noise: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = Examples(
        ClipStore(examples.store.folder, examples.store.digests[:3], RATE), (0, 1, 2), (0, 1, 0)
    )
    keys = [key(examples, noise), key(examples, None), key(examples, noise, 2), key(fewer, noise)]
    monkeypatch.setattr(augmentation, "AUGMENTATION_VERSION", 0)
    keys.append(key(examples, noise))
    assert len(set(keys)) == 5


def test_clips_as_they_are_do_not_follow_from_augmentation(
    examples: Examples, noise: ClipStore
) -> None:
    assert key(examples, noise, 0) == key(examples, None, 0, gain=1.0)


def test_each_clip_is_decoded_once_for_the_scan_and_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
    folder = write_corpus(tmp_path / "ravdess")
    decoded: Counter[str] = Counter()
    plain = parts.decode

    def decode(source: Path, stack: ExitStack) -> object:
        decoded[source.name] += 1
        return plain(source, stack)

    monkeypatch.setattr(parts, "decode", decode)
    data = Data.load(Recipe.parse(RECIPE), {"ravdess": folder})
    assert set(decoded) == {path.name for path in folder.rglob("*.wav")}
    assert set(decoded.values()) == {1}
    for row, clip in enumerate(data.clips):
        expected = Audio.read(clip.path, sample_rate=RATE)
        np.testing.assert_array_equal(data.store[row], expected.samples[0])
