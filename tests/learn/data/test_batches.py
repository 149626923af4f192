"""Crops are pieces of the clips themselves, the same whenever asked; whole clips are untouched."""

import numpy as np
import pytest
import torch
from ramps import DURATIONS, RATE, WINDOW

from sottovoce.inference.window import pieces
from sottovoce.learn.data.batches import (
    EpochSteps,
    Examples,
    TrainingBatches,
    WholeClips,
    generator_for,
)
from sottovoce.learn.recipe.specs import AugmentSpec, TrainingSpec

OFF = AugmentSpec()


def batches(
    examples: Examples, *, batch: int = 2, crop: float = 0.4, seed: int = 0, spec: AugmentSpec = OFF
) -> TrainingBatches:
    return TrainingBatches(examples, WINDOW, TrainingSpec(batch=batch, crop=crop), spec, seed)


def test_a_batch_is_the_same_whenever_it_is_asked_for(examples: Examples) -> None:
    spec = AugmentSpec(gain=6.0, equaliser=6.0, speed=0.2)
    first = batches(examples, spec=spec)[3, 1]
    again = batches(examples, spec=spec)
    again[0, 0]
    assert all(torch.equal(a, b) for a, b in zip(first, again[3, 1], strict=True))
    for other in (again[4, 1], batches(examples, spec=spec, seed=1)[3, 1]):
        assert not torch.equal(first.sound, other.sound)


def test_an_epoch_takes_each_clip_once_and_leaves_the_rest(examples: Examples) -> None:
    made = batches(examples, batch=2)
    assert made.steps == 2
    starts = [made._crop(row, 100, torch.Generator()) for row in range(5)]
    assert len({len(start) for start in starts}) == 1
    targets = torch.cat([made[0, step].targets for step in range(2)])
    assert len(targets) == 4


def test_a_crop_is_a_stretch_of_speech_and_its_margin(examples: Examples) -> None:
    made = batches(examples)
    for seed in range(50):
        crop = made._crop(3, 6400, torch.Generator().manual_seed(seed)) * 2**16
        np.testing.assert_allclose(np.diff(crop), 1)
        assert crop[0] - 1 >= (0.65 - 0.1) * RATE - 1
        assert crop[-1] <= (1.95 + 0.1) * RATE + 1


def test_a_short_clip_lies_whole_inside_with_real_pauses_around(examples: Examples) -> None:
    """Clip 4 has 0.8 s of speech and margin; 1 s asks for 0.2 s more, which it has."""
    crop = batches(examples)._crop(4, RATE, torch.Generator().manual_seed(1)) * 2**16
    np.testing.assert_allclose(np.diff(crop), 1)
    assert crop[0] <= (0.3 - 0.1) * RATE + 1
    assert crop[-1] >= (0.9 + 0.1) * RATE


def test_a_crop_longer_than_the_recording_is_filled_with_its_quieter_end(
    examples: Examples,
) -> None:
    starts = set()
    for seed in range(20):
        crop = batches(examples)._crop(0, RATE, torch.Generator().manual_seed(seed)) * 2**16
        assert len(crop) == RATE
        assert (crop > 0).all()  # never digital zero
        (start,) = np.flatnonzero(
            np.convolve(np.diff(crop) == 1, np.ones(4799), mode="valid") >= 4798.5
        )[:1]
        starts.add(int(start))
        outside = np.concatenate([crop[:start], crop[start + 4800 :]])
        assert outside.max() <= 0.15 * RATE  # all of it from the quiet start
    assert len(starts) > 10


def test_speed_asks_for_more_or_less_of_the_clip(examples: Examples) -> None:
    made = batches(examples, spec=AugmentSpec(speed=0.25))
    lengths = torch.cat([made[epoch, 0].lengths for epoch in range(50)])
    assert 0.75 * 6400 <= int(lengths.min()) < 0.8 * 6400
    assert 1.2 * 6400 < int(lengths.max()) <= 1.25 * 6400
    assert made[0, 0].sound.shape[1] >= int(lengths.max())


def test_epochs_name_their_batches() -> None:
    steps = EpochSteps(2)
    steps.set_epoch(7)
    assert list(steps) == [(7, 0), (7, 1)]


def test_whole_clips_are_what_the_listening_half_cuts(examples: Examples) -> None:
    seen: dict[int, list[np.ndarray]] = {}
    whole = WholeClips(examples, WINDOW, batch=2)
    for number in range(len(whole)):
        batch = whole[number]
        assert len(batch.sound) <= 2
        for owner, target, samples in zip(
            *map(list, (batch.owners, batch.targets, batch.sound)), strict=True
        ):
            assert int(target) == examples.targets[int(owner)]
            seen.setdefault(int(owner), []).append(samples.numpy())
    for row in range(len(DURATIONS)):
        store = examples.store
        expected = pieces(store.audio(row), WINDOW, store.speech(row))
        found = sorted(seen[row], key=lambda piece: float(piece.max()))
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_balanced_sampler_draws_each_emotion_as_often_as_it_is_asked(examples: Examples) -> None:
    thousand = Examples(examples.store, (0,) * 1000, (0,) * 900 + (1,) * 100)
    for boost, share in (((), 0.5), ((1.0, 3.0), 0.75)):
        made = TrainingBatches(
            thousand, WINDOW, TrainingSpec(batch=1000, sampler="balanced"), OFF, 0, boost=boost
        )
        order = made._order(torch.Generator().manual_seed(0))
        assert len(order) == 1000
        assert float((order >= 900).float().mean()) == pytest.approx(share, abs=0.05)


def test_a_cut_that_is_not_random_is_the_middle(examples: Examples) -> None:
    made = TrainingBatches(examples, WINDOW, TrainingSpec(crop_random=0.0), OFF, 0)
    clip = examples.store[3]
    start = (len(clip) // 4 - 1600 + 3 * len(clip) // 4 + 1600 - 8000) // 2
    for _ in range(3):
        np.testing.assert_allclose(
            made._crop(3, 8000, torch.Generator()), clip[start : start + 8000], atol=2 / 2**16
        )


def test_rank_0_draws_what_one_process_always_drew() -> None:
    seed, epoch, step = 2**31 - 1, 3, 2**31
    expected = np.random.SeedSequence((seed, epoch, step)).generate_state(1, np.uint64)[0]
    assert generator_for(seed, epoch, step, 0).initial_seed() == int(expected >> np.uint64(1))
    assert generator_for(seed, epoch, step, 1).initial_seed() != int(expected >> np.uint64(1))
