"""Log-mel features are librosa's, and do not depend on how loud a recording is."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sottovoce.audio import Audio
from sottovoce.learn.frontends.logmel import LogMel, LogMelOptions, speech_level

RATE = 16_000


def frontend(**options: object) -> LogMel:
    return LogMel(LogMelOptions.model_validate(options), RATE)


def voice(seconds: float = 1.5, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 30))
    noise = 1e-3 * rng.standard_normal(len(time))
    loudness = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * time)
    return torch.tensor((0.1 * loudness * buzz + noise)[None], dtype=torch.float32)


def librosa_power(samples: np.ndarray, **options: object) -> np.ndarray:
    settings = {
        "sr": RATE,
        "n_fft": 512,
        "win_length": 400,
        "hop_length": 160,
        "n_mels": 64,
        "fmin": 50,
        "fmax": 8000,
        "pad_mode": "constant",
        "power": 2.0,
    }
    return librosa.feature.melspectrogram(y=samples, **(settings | options))


def assert_same_power(found: np.ndarray, expected: np.ndarray) -> None:
    """Within 0.1 %, or within 1e-7 of the loudest where float32 ends."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7 * expected.max())


def test_power_is_librosas_on_real_speech(ravdess: Path) -> None:
    for path in sorted(ravdess.glob("Actor_0[1-6]/*-01-01-01-*.*"))[:6]:
        samples = Audio.read(path, sample_rate=RATE).samples
        found = frontend().power(torch.from_numpy(samples.copy()))[0].numpy()
        assert_same_power(found, librosa_power(samples[0]))


@pytest.mark.parametrize(
    ("ours", "librosas"),
    [
        ({}, {}),
        ({"bands": 40, "fmin": 20.0, "fmax": 7600.0}, {"n_mels": 40, "fmin": 20, "fmax": 7600}),
        (
            {"n_fft": 1024, "window": 1024, "hop": 256},
            {"n_fft": 1024, "win_length": 1024, "hop_length": 256},
        ),
    ],
)
def test_power_is_librosas_with_other_options(
    ours: dict[str, object], librosas: dict[str, object]
) -> None:
    waveform = voice()
    found = frontend(**ours).power(waveform)[0].numpy()
    assert_same_power(found, librosa_power(waveform[0].numpy(), **librosas))


@pytest.mark.parametrize("gain", [1e-4, 0.01, 30.0])
def test_gain_changes_nothing(gain: float) -> None:
    waveform = voice()
    torch.testing.assert_close(frontend()(gain * waveform), frontend()(waveform), rtol=0, atol=1e-3)


def test_gain_shows_where_nothing_is_normalised() -> None:
    plain = frontend(normalise="none")
    moved = plain(10 * voice()) - plain(voice())
    assert float(moved.median()) == pytest.approx(1.0, abs=0.05)  # 20 dB, in units of 20 dB


def test_features_are_decibels_below_the_speech() -> None:
    waveform = voice()
    power = frontend().power(waveform)
    frames = power.sum(dim=1)[0]
    level = (frames.square().sum() / frames.sum()).log10() * 10
    expected = ((10 * power.log10() - level).clamp_min(-70) + 30) / 20
    torch.testing.assert_close(frontend()(waveform), expected, rtol=0, atol=1e-4)


def test_the_level_does_not_hear_pauses() -> None:
    waveform = voice()
    pause = 1e-3 * voice(3.0, seed=1)
    longer = torch.cat([pause, waveform, pause], dim=1)
    inner, outer = (speech_level(frontend().power(sound)) for sound in (waveform, longer))
    assert float(10 * (inner / outer).log10().abs()) < 0.05


def test_silence_gives_the_floor() -> None:
    features = frontend()(torch.zeros(2, RATE))
    assert torch.equal(features, torch.full((2, 64, 101), -2.0))


@pytest.mark.parametrize("samples", [8000, 8001, 16159, 16160, 480_000])
def test_a_frame_every_hop(samples: int) -> None:
    assert frontend()(torch.zeros(1, samples)).shape == (1, 64, samples // 160 + 1)


def test_a_tone_is_in_the_band_of_its_frequency() -> None:
    module = frontend()
    time = torch.arange(RATE) / RATE
    for frequency in (200.0, 1000.0, 4000.0):
        loudest = module(torch.sin(2 * torch.pi * frequency * time)[None])[0, :, 50].argmax()
        assert float(module.centres[loudest]) == pytest.approx(frequency, rel=0.12)


@pytest.mark.parametrize(
    "options", [{"window": 600}, {"fmin": 900.0, "fmax": 800.0}, {"bands": 2}, {"bandz": 64}]
)
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        frontend(**options)


def test_nothing_in_it_is_trained() -> None:
    assert not list(frontend().parameters())
