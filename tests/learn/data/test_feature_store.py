"""Features of whole clips are computed once, kept whole or not at all, and train like waveforms."""

import dataclasses
import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from ramps import RATE, WINDOW

from sottovoce.errors import RecipeError, SottovoceError
from sottovoce.inference.window import pieces
from sottovoce.learn.data import feature_store as module
from sottovoce.learn.data.batches import ChangedClips, Examples, TrainingBatches, WholeClips
from sottovoce.learn.data.feature_store import FeatureStore
from sottovoce.learn.frontends.stack import Stack, StackOptions
from sottovoce.learn.recipe.specs import AugmentSpec, TrainingSpec
from sottovoce.models.card import WindowPolicy


class Counting(Stack):
    """A front end that counts the batches that it is given."""

    count = 0

    def raw(self, waveform: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return super().raw(waveform)


def frontend(**options: object) -> Counting:
    table = {"parts": [{"name": "rms"}, {"name": "mel", "bands": 8}], "frames": 20, **options}
    return Counting(StackOptions.model_validate(table), RATE)


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))


def build(examples: Examples, made: Counting, key: str = "key") -> FeatureStore:
    return FeatureStore.build(made, WholeClips(examples, WINDOW), key)


def test_it_holds_what_the_front_end_gives_of_each_piece(examples: Examples) -> None:
    made = frontend()
    store = build(examples, made)
    assert store.shape == (9, 20)
    assert len(store) == 5
    for row in range(5):
        cut = pieces(examples.store.audio(row), WINDOW, examples.store.speech(row))
        cut, found = sorted(cut, key=len), sorted(store.pieces(row), key=lambda piece: piece[1])
        assert [samples for _, samples in found] == [len(piece) for piece in cut]
        for (values, _), piece in zip(found, cut, strict=True):
            expected = made.raw(torch.from_numpy(piece[None].copy()))[0].numpy()
            np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)


def test_it_is_computed_once_for_each_key(examples: Examples) -> None:
    made = frontend()
    build(examples, made)
    first = made.count
    again = build(examples, made)
    assert made.count == first > 0
    assert again.shape == (9, 20)
    build(examples, made, "another")
    assert made.count == 2 * first


def test_training_and_judging_read_the_store(examples: Examples) -> None:
    store = build(examples, frontend())
    kept = dataclasses.replace(examples, features=store)
    batch = TrainingBatches(kept, WINDOW, TrainingSpec(batch=2, crop=0.0), AugmentSpec(), 0)[0, 0]
    assert batch.sound.shape == (2, 9, 20)
    whole, plain = WholeClips(kept, WINDOW), WholeClips(examples, WINDOW)
    owners = [torch.cat([clips[i].owners for i in range(len(clips))]) for clips in (whole, plain)]
    assert torch.equal(*owners)
    assert [whole[i].samples for i in range(len(whole))] == [
        plain[i].sound.shape[1] for i in range(len(plain))
    ]


def test_a_full_disk_leaves_nothing_that_looks_whole(
    examples: Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.json, "dumps", full)  # written last
        with pytest.raises(SottovoceError, match="No space left on device") as caught:
            build(examples, frontend())
    assert "SOTTOVOCE_CACHE" in str(caught.value)
    assert list((tmp_path / "cache" / "features").iterdir()) == []
    made = frontend()
    build(examples, made)
    assert made.count > 0


def test_of_two_runs_that_write_at_once_either_may_be_first(
    examples: Examples,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, raw = frontend(), Counting.raw
    other: list[FeatureStore] = []

    def interrupted(self: Counting, waveform: torch.Tensor) -> torch.Tensor:
        if self is made and not other:
            other.append(build(examples, frontend()))  # a second run overtakes the first
        return raw(self, waveform)

    monkeypatch.setattr(Counting, "raw", interrupted)
    store = build(examples, made)
    np.testing.assert_array_equal(store.pieces(3)[0][0], other[0].pieces(3)[0][0])


def test_features_of_different_lengths_are_refused(examples: Examples) -> None:
    window = WindowPolicy(trim="none", margin=0, grid=0.1, min=0.5, max=5)
    with pytest.raises(RecipeError, match=r"training\.crop = 0 takes whole clips") as caught:
        FeatureStore.build(frontend(frames=0), WholeClips(examples, window), "key")
    assert "set frames or middle" in str(caught.value)


def test_changed_copies_are_for_training_alone(examples: Examples) -> None:
    spec = AugmentSpec(copies=2, gain=12.0, cut=0.25)
    whole = WholeClips(examples, WINDOW)
    changed = ChangedClips(whole, spec, None, seed=1)
    again, other = ChangedClips(whole, spec, None, 1), ChangedClips(whole, spec, None, 2)
    assert torch.equal(changed[0].sound, again[0].sound)
    assert not torch.equal(changed[0].sound, other[0].sound)
    assert changed[0].sound.shape == (len(whole[0].sound), RATE // 4)
    assert torch.equal(changed[0].owners, whole[0].owners)
    made = frontend()
    stores = [FeatureStore.build(made, clips, str(i)) for i, clips in enumerate((whole, changed))]
    kept = dataclasses.replace(examples, features=stores[0], copies=(stores[1],))
    batches = TrainingBatches(kept, WINDOW, TrainingSpec(batch=5, crop=0.0), AugmentSpec(), 0)
    seen = {row.numpy().tobytes() for epoch in range(20) for row in batches[epoch, 0].sound}
    known = [{v.tobytes() for i in range(5) for v, _ in store.pieces(i)} for store in stores]
    assert seen <= known[0] | known[1]
    assert seen & known[0]
    assert seen & known[1]
    judged = WholeClips(kept, WINDOW)
    assert {row.numpy().tobytes() for i in range(len(judged)) for row in judged[i].sound} == known[
        0
    ]


def test_folders_of_killed_runs_are_removed_and_those_of_living_ones_are_not(
    tmp_path: Path,
) -> None:
    now = time.time()
    ages = {  # h since the folder changed, and since its file was written to
        "draft-killed": (30, 30),
        "draft-empty": (30, None),
        "draft-young": (1, 1),
        "draft-long": (30, 1),
        "other-old": (30, 30),
    }
    for name, (folder_age, file_age) in ages.items():
        (tmp_path / name).mkdir(parents=True)
        if file_age is not None:
            (tmp_path / name / "samples.f32").write_bytes(b"part")
            os.utime(tmp_path / name / "samples.f32", (now, now - 3600 * file_age))
        os.utime(tmp_path / name, (now, now - 3600 * folder_age))
    module.remove_abandoned(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"draft-young", "draft-long", "other-old"}
