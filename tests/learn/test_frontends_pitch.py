"""F0 is that of the voice: of tones exactly, of real speech as librosa's pyin finds it."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from undertone.audio import Audio
from undertone.errors import RecipeError
from undertone.learn.frontends.pitch import F0, PitchOptions

RATE = 16_000


def f0(waveform: torch.Tensor, rate: int = RATE, **options: object) -> np.ndarray:
    found = F0(PitchOptions.model_validate(options), rate)(waveform)
    assert found.shape == (len(waveform), 1, waveform.shape[1] // 512 + 1)
    return found[:, 0].numpy()


def buzz(frequency: float, seconds: float = 1.0) -> torch.Tensor:
    """A voice of many harmonics, the lowest of them faint."""
    time = torch.arange(round(seconds * RATE)) / RATE
    strengths = [0.1, *(1 / k for k in range(2, 12))]
    waves = [
        strength * torch.sin(2 * torch.pi * frequency * k * time)
        for k, strength in enumerate(strengths, start=1)
        if k * frequency < RATE / 2
    ]
    return 0.1 * torch.stack(waves).sum(dim=0)[None]


@pytest.mark.parametrize("frequency", [75.0, 110.0, 233.3, 440.0, 700.0])
def test_a_buzz_has_its_frequency(frequency: float) -> None:
    np.testing.assert_allclose(f0(buzz(frequency))[0, 3:-3], frequency, rtol=5e-3)


def test_it_does_not_depend_on_the_gain() -> None:
    np.testing.assert_allclose(f0(1e-3 * buzz(150.0)), f0(buzz(150.0)), rtol=1e-3)


def test_noise_and_silence_have_none() -> None:
    noise = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    assert (f0(noise) == 0).mean() > 0.95
    assert not f0(torch.zeros(2, RATE)).any()


def test_a_frame_too_short_for_the_voice_is_refused() -> None:
    with pytest.raises(RecipeError, match="two periods of 65 Hz are 492"):
        f0(buzz(100.0), frame=480)


def test_speech_has_the_f0_that_pyin_finds(ravdess: Path) -> None:
    """Where both hear a voice, at most 3 % of frames are more than 20 % off; the rest 1 %."""
    wrong, both, either, deviations = 0, 0, 0, []
    for actor in range(1, 25, 2):
        path = sorted(ravdess.glob(f"Actor_{actor:02d}/*"))[5 * actor % 60]
        samples = Audio.read(path, sample_rate=RATE).samples
        found = f0(torch.from_numpy(samples.copy()))[0]
        expected, voiced, _ = librosa.pyin(samples[0], fmin=65, fmax=800, sr=RATE, hop_length=512)
        shared = voiced & (found > 0)
        error = np.abs(found[shared] / expected[shared] - 1)
        wrong += (error > 0.2).sum()
        both, either = both + shared.sum(), either + (voiced | (found > 0)).sum()
        deviations.append(error[error <= 0.2])
    assert wrong / both < 0.03
    assert np.median(np.concatenate(deviations)) < 0.01
    assert both / either > 0.45  # pyin calls more frames voiced
