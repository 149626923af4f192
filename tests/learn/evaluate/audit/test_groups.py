"""Clips are grouped by the pitch of their speakers, by length, and by how noisy they are."""

import numpy as np
import pytest

from sottovoce.audio import Audio, Samples
from sottovoce.learn.data.degradation import white_noise
from sottovoce.learn.evaluate.audit.groups import level_range, mean_f0, pitch_groups, thirds

RATE = 16_000


def buzz(hertz: float, seconds: float = 0.5, rate: int = RATE) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 8)).astype("f4") * 0.1


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("hertz", [90.0, 150.0, 310.0])
def test_the_mean_f0_is_that_of_the_voiced_frames(hertz: float, rate: int) -> None:
    silence = np.zeros(rate, np.float32)
    clip = np.concatenate([silence, buzz(hertz, 1.0, rate), silence])
    assert mean_f0(clip, rate) == pytest.approx(hertz, rel=0.02)
    assert mean_f0(silence, rate) == 0


def test_a_speaker_s_group_follows_from_the_mean_of_all_of_their_clips() -> None:
    said = {
        "c/low": [100, 110, 120, 130, 140],
        "c/middle": [140, 140, 140, 190, 200],
        "c/high": [200, 220, 240, 260, 280],
        "c/few": [200, 220, 240, 260],
        "c/unknown": [100, 100, 100, 100, 100],
        "c/screams": [120, 120, 120, 120, 120, 500, 600],  # above 350 Hz: left out
    }
    pairs = [(speaker, hertz) for speaker, pitches in said.items() for hertz in pitches]
    clips = [Audio(buzz(hertz), RATE) for _, hertz in pairs]
    speakers = [speaker for speaker, _ in pairs]
    groups = dict(zip(speakers, map(str, pitch_groups(clips, speakers)), strict=True))
    assert groups == {
        "c/low": "low pitch",
        "c/middle": "medium pitch",
        "c/high": "high pitch",
        "c/few": "",
        "c/unknown": "",
        "c/screams": "low pitch",
    }


def test_thirds_are_equally_large() -> None:
    values = np.random.default_rng(0).permutation(30)
    groups = thirds(values, ("short", "medium", "long"))
    for name, first in (("short", 0), ("medium", 10), ("long", 20)):
        assert sorted(values[groups == name]) == list(range(first, first + 10))


@pytest.mark.parametrize("snr", [10.0, 20.0, 30.0])
def test_the_level_range_of_a_voice_with_pauses_follows_the_noise(snr: float) -> None:
    """Voice for half of the time, so that its level is 3 dB above the clip's."""
    voice = np.concatenate([buzz(150, 1.0), np.zeros(RATE, np.float32)])
    noisy = white_noise(voice, snr, np.random.default_rng(0))
    assert level_range(Audio(noisy, RATE)) == pytest.approx(snr + 3, abs=2)


def test_a_clip_shorter_than_a_frame_has_a_level_range_of_nothing() -> None:
    assert level_range(Audio(buzz(150, 0.01), RATE)) == 0
