"""F0 is that of the voice: of tones exactly, of real speech as pyin and Praat find it."""

from pathlib import Path

import librosa
import numpy as np
import parselmouth
import pytest
import torch

from sottovoce.audio import Audio
from sottovoce.errors import RecipeError
from sottovoce.learn.frontends.pitch import F0, PitchOptions

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


def praat(samples: np.ndarray, frames: int) -> np.ndarray:
    """F0 at the same moments by Praat, which hears shorter frames and searches for a path."""
    sound = parselmouth.Sound(samples.astype(np.float64), RATE)
    found = sound.to_pitch_ac(time_step=128 / RATE, pitch_floor=65, pitch_ceiling=800)
    return np.nan_to_num([found.get_value_at_time(frame * 512 / RATE) for frame in range(frames)])


def test_speech_has_the_f0_that_pyin_and_praat_find(ravdess: Path) -> None:
    """Of speakers on whom no variants were compared; voicing is held to Praat's convention.

    pyin also calls quiet frames voiced, which Praat's silence threshold and ours leave out.
    """
    tracks = []
    for actor in range(13, 25):
        path = sorted(ravdess.glob(f"Actor_{actor:02d}/*"))[5 * actor % 60]
        samples = Audio.read(path, sample_rate=RATE).samples
        found = f0(torch.from_numpy(samples.copy()))[0]
        pyin, voiced, _ = librosa.pyin(samples[0], fmin=65, fmax=800, sr=RATE, hop_length=512)
        tracks.append((found, np.where(voiced, pyin, 0), praat(samples[0], len(found))))
    ours, pyin, theirs = (np.concatenate(track) for track in zip(*tracks, strict=True))
    assert ((ours > 0) != (theirs > 0)).mean() < 0.1
    agreed = (pyin > 0) & (np.abs(theirs - pyin) <= 0.1 * pyin)
    assert (ours[agreed] == 0).mean() < 0.04
    both = agreed & (ours > 0)
    error = np.abs(ours[both] / pyin[both] - 1)
    assert (error > 0.2).mean() < 0.01
    assert np.median(error) < 0.01
    assert (ours[(pyin == 0) & (theirs == 0)] > 0).mean() < 0.05


def test_it_is_silent_where_the_clip_is_quiet() -> None:
    """A voice 35 dB below the loudest is another's, or the room's; at 25 dB it is the speaker's."""
    faint, loud = 10 ** (-35 / 20), buzz(220.0)
    found = f0(torch.cat([faint * buzz(150.0), loud, 10 ** (-25 / 20) * buzz(150.0)], dim=1))[0]
    assert not found[:28].any()
    np.testing.assert_allclose(found[36:58], 220.0, rtol=5e-3)
    np.testing.assert_allclose(found[68:-3], 150.0, rtol=5e-3)
