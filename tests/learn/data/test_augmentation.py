"""Augmentation changes what it says, by as much as it says, and nothing where it is off."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sottovoce.audio.mel_scale import mel_edges
from sottovoce.audio.parts import AudioPart
from sottovoce.learn.data import augmentation
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.recipe.specs import AugmentSpec

RATE = 16_000


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    """A long noise and one shorter than the examples."""
    folder, rng = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    paths = []
    for name, seconds in (("long", 3.0), ("short", 0.25)):
        paths.append(folder / f"{name}.wav")
        soundfile.write(paths[-1], 0.05 * rng.standard_normal(round(seconds * RATE)), RATE)
    return ClipStore.build([*map(AudioPart, paths)], ["long", "short"], RATE)


def test_noise_comes_at_the_ratio_asked_for(noise: ClipStore) -> None:
    speech = 0.1 * torch.randn(16, RATE, generator=random())
    lengths = torch.full((16,), RATE)
    spec = AugmentSpec(noise=1.0, noise_snr=(10.0, 10.0))
    added = augmentation.add_noise(speech, lengths, noise, spec, random()) - speech
    ratio = 10 * torch.log10(speech.square().mean(dim=1) / added.square().mean(dim=1))
    torch.testing.assert_close(ratio, torch.full((16,), 10.0), rtol=0, atol=0.2)


def test_the_ratio_is_that_of_the_part_that_counts(noise: ClipStore) -> None:
    speech = torch.zeros(1, RATE)
    speech[:, : RATE // 4] = 0.1
    spec = AugmentSpec(noise=1.0, noise_snr=(0.0, 0.0))
    added = (
        augmentation.add_noise(speech, torch.tensor([RATE // 4]), noise, spec, random()) - speech
    )
    assert float(added.square().mean()) == pytest.approx(0.01, rel=0.05)


def test_noise_comes_as_often_as_asked_for(noise: ClipStore) -> None:
    speech, lengths = 0.1 * torch.ones(400, 100), torch.full((400,), 100)
    spec = AugmentSpec(noise=0.3)
    changed = augmentation.add_noise(speech, lengths, noise, spec, random()) != speech
    assert float(changed.any(dim=1).float().mean()) == pytest.approx(0.3, abs=0.07)


def test_the_equaliser_stays_within_its_decibels() -> None:
    time = torch.arange(RATE) / RATE
    tones = torch.stack([torch.sin(2 * math.pi * f * time) for f in (100, 500, 1500, 6000)])
    changes = []
    for seed in range(20):
        after = augmentation.equalise(tones, RATE, 6.0, random(seed))
        changes.append(
            20 * torch.log10(after[:, 4000:12000].std(dim=1) / tones[:, 4000:12000].std(dim=1))
        )
    change = torch.stack(changes)
    assert float(change.abs().max()) < 6.1
    assert float(change.max()) > 3
    assert float(change.min()) < -3


@pytest.mark.parametrize("samples", [100, 12345, 36801])
def test_an_equaliser_of_0_db_changes_nothing(samples: int) -> None:
    waveform = torch.randn(2, samples, generator=random())
    flat = augmentation.equalise(waveform, RATE, 0.0, random())
    torch.testing.assert_close(flat, waveform, rtol=0, atol=1e-5)


def test_gain_stays_within_its_decibels() -> None:
    waveform = torch.randn(200, 50, generator=random())
    after = augmentation.random_gain(waveform, 12.0, random())
    change = 20 * torch.log10((after / waveform)[:, 0])
    torch.testing.assert_close(after / waveform, (after / waveform)[:, :1].expand(-1, 50))
    assert 10 < float(change.max()) <= 12
    assert -12 <= float(change.min()) < -10


def test_speed_0_is_the_identity() -> None:
    features = torch.randn(2, 8, 30, generator=random())
    same = augmentation.warp_time(features, torch.full((2,), 30.0), 30)
    torch.testing.assert_close(same, features, rtol=0, atol=1e-5)


def test_warping_time_stretches_the_used_part() -> None:
    ramp = torch.arange(41.0).expand(2, 3, 41)
    warped = augmentation.warp_time(ramp, torch.tensor([21.0, 41.0]), 41)
    torch.testing.assert_close(warped[0, 0], torch.arange(41) / 2, rtol=0, atol=1e-4)
    torch.testing.assert_close(warped[1, 2], ramp[1, 2], rtol=0, atol=1e-4)


def bump(frequency: float, centres: torch.Tensor) -> torch.Tensor:
    return torch.exp(-((centres / frequency).log() ** 2) * 12)[None, :, None]


def test_formant_0_is_the_identity() -> None:
    centres = torch.from_numpy(mel_edges(64, 50, 8000)[1:-1]).float()
    features = torch.randn(3, 64, 5, generator=random())
    same = augmentation.warp_frequency(features, centres, torch.ones(3))
    torch.testing.assert_close(same, features, rtol=0, atol=1e-4)


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("frequency", [500.0, 2000.0])
def test_a_formant_moves_by_its_factor(factor: float, frequency: float) -> None:
    centres = torch.from_numpy(mel_edges(64, 50, 8000)[1:-1]).float()
    moved = augmentation.warp_frequency(bump(frequency, centres), centres, torch.tensor([factor]))
    expected = bump(frequency / factor, centres)
    torch.testing.assert_close(moved, expected, rtol=0, atol=0.04)


@pytest.mark.parametrize(("dim", "size"), [(1, 40), (2, 90)])
def test_a_mask_blanks_one_span_below_its_widest(dim: int, size: int) -> None:
    features = torch.ones(300, 40, 90)
    masked = augmentation.mask(features, 10, random(), dim=dim)
    blank = (masked == 0).all(dim=3 - dim)
    assert torch.equal(blank, (masked == 0).any(dim=3 - dim))  # whole rows only
    widths = blank.sum(dim=1)
    assert (int(widths.min()), int(widths.max())) == (0, 9)
    starts = (blank.int().diff(dim=1, prepend=torch.zeros(300, 1, dtype=torch.int)) == 1).sum(dim=1)
    assert int(starts.max()) == 1
    assert bool(blank[:, : size // 4].any())
    assert bool(blank[:, -size // 4 :].any())


def test_a_mask_never_blanks_more_than_half() -> None:
    masked = augmentation.mask(torch.ones(200, 8, 8), 100, random(), dim=2)
    assert int((masked == 0).all(dim=1).sum(dim=1).max()) <= 4


def test_mixing_blends_examples_and_targets_alike() -> None:
    features = torch.eye(6)[:, :, None].expand(6, 6, 3)
    mixed, targets = augmentation.mix(features, torch.eye(6), 0.4, random(3))
    torch.testing.assert_close(mixed[:, :, 0], targets)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(6))
    assert not torch.equal(targets, torch.eye(6))


def test_reading_between_entries() -> None:
    values = torch.tensor([[0.0, 10.0, 30.0]])
    position = torch.tensor([[-1.0, 0.0, 0.5, 1.25, 2.0, 5.0]])
    found = augmentation.interpolate(values, position)
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.0, 5.0, 15.0, 30.0, 30.0]]))


def test_the_same_generator_gives_the_same_again(noise: ClipStore, tmp_path: Path) -> None:
    waveform, spec = torch.randn(4, 4000, generator=random()), AugmentSpec(noise=1.0)
    lengths = torch.full((4,), 4000)

    def once(seed: int) -> torch.Tensor:
        generator = random(seed)
        after = augmentation.add_noise(waveform, lengths, noise, spec, generator)
        after = augmentation.random_gain(
            augmentation.equalise(after, RATE, 6.0, generator), 6.0, generator
        )
        return augmentation.mask(after[:, None], 100, generator, dim=2)

    assert torch.equal(once(5), once(5))
    assert not torch.equal(once(5), once(6))


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("semitones", [-1.0, 0.5, 2.0])
def test_pitch_moves_and_tempo_stays(rate: int, semitones: float) -> None:
    time = torch.arange(2 * rate) / rate
    tone = torch.sin(2 * torch.pi * 440 * time) * (time > 1)
    moved = augmentation.shift_pitch(tone, rate, semitones)
    assert moved.shape == tone.shape
    later = moved[int(1.2 * rate) : int(1.9 * rate)]
    spectrum = torch.fft.rfft(later * torch.hann_window(len(later)), n=2**18).abs()
    pitch = float(spectrum.argmax()) * rate / 2**18
    assert pitch == pytest.approx(440 * 2 ** (semitones / 12), rel=2e-3)
    assert later.square().mean() == pytest.approx(0.5, rel=0.4)  # bins drift apart
    assert moved[: int(0.9 * rate)].abs().max() < 0.05  # it begins when it began


def test_pitch_moves_in_a_share_of_the_examples() -> None:
    waveform = torch.randn(200, 4000, generator=torch.Generator().manual_seed(0))
    spec = AugmentSpec(pitch=1.0, pitch_probability=0.25)
    moved = augmentation.move_pitch(waveform, 16_000, spec, torch.Generator().manual_seed(0))
    changed = (moved != waveform).any(dim=1)
    assert 30 <= int(changed.sum()) <= 70
    assert torch.equal(moved[~changed], waveform[~changed])
