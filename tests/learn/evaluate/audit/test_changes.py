"""The audit's changes are repeatable, and the small ones small."""

import numpy as np
import pytest

from sottovoce.learn.data.degradation import high_pass, low_pass
from sottovoce.learn.evaluate.audit.changes import CHANGES, SMALL, SoundChange

RATE = 16_000
NOISE = np.random.default_rng(0).normal(0, 0.5, RATE).astype(np.float32)
CLIP = high_pass(low_pass(NOISE, RATE, 2000, 4), RATE, 700, 4)
"""Between the two, so that filters for what is below and above must hardly change it."""
OF_SOUND = [one for one in CHANGES if not isinstance(one.apply, float)]


def changed(one: SoundChange, seed: int) -> np.ndarray:
    assert not isinstance(one.apply, float)
    return one.apply(CLIP, RATE, np.random.default_rng(seed))


@pytest.mark.parametrize("one", OF_SOUND, ids=lambda one: one.name)
def test_a_change_is_repeatable_and_does_change(one: SoundChange) -> None:
    assert np.array_equal(changed(one, 3), changed(one, 3))
    assert changed(one, 3).dtype == np.float32
    assert not np.array_equal(changed(one, 3), CLIP)


@pytest.mark.parametrize("one", [o for o in OF_SOUND if o.test == SMALL], ids=lambda one: one.name)
def test_small_changes_are_small_and_drawn_anew(one: SoundChange) -> None:
    several = [changed(one, seed) for seed in range(12)]
    assert len({sound.tobytes() for sound in several}) > 2
    for sound in several:
        assert 0 <= abs(len(sound) - len(CLIP)) <= 1000
        if len(sound) == len(CLIP):
            assert np.square(sound - CLIP).mean() < 0.1 * np.square(CLIP).mean()


def test_names_tell_changes_apart() -> None:
    assert len({one.name for one in CHANGES}) == len(CHANGES)
