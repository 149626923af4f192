"""Every feature of frames is librosa's, on real speech, within the tolerance of its row."""

from collections.abc import Callable, Mapping
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sottovoce.audio import Audio
from sottovoce.learn.frontends.framewise import FrameFeature
from sottovoce.learn.registry import frontends

Oracle = Callable[[NDArray[np.float32], int], NDArray[np.float32]]


def feature(name: str, rate: int, **options: object) -> FrameFeature:
    found = frontends()[name]
    module = found(found.Options.model_validate(options), rate)
    assert isinstance(module, FrameFeature)
    return module


@pytest.fixture(scope="module")
def speech(ravdess: Path) -> Mapping[int, list[NDArray[np.float32]]]:
    """Clips of real speech by sample rate: four emotions and actors, and one at other rates."""
    names = ("Actor_02/*-01-01-*", "Actor_05/*-01-02-*", "Actor_12/*-01-05-*", "Actor_23/*-01-06-*")
    paths = [min(ravdess.glob(name)) for name in names]
    chosen = {16_000: paths, 22_050: paths[2:3], 48_000: paths[3:]}
    return {
        rate: [Audio.read(path, sample_rate=rate).samples for path in files]
        for rate, files in chosen.items()
    }


def mel_db(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    return librosa.power_to_db(librosa.feature.melspectrogram(y=samples, sr=rate), ref=np.max)


# Name, options, librosa's way, and the tolerance: absolute, in the feature's own unit.
FEATURES: list[tuple[str, dict[str, object], Oracle, float]] = [
    ("mel", {}, mel_db, 5e-3),
    (
        "mel",
        {"reference": 0.5, "depth": 0, "bands": 64, "hop": 300},
        lambda y, sr: librosa.power_to_db(
            librosa.feature.melspectrogram(y=y, sr=sr, n_mels=64, hop_length=300),
            ref=0.5,
            top_db=None,
        ),
        2e-2,
    ),
    (
        "mel",
        {"frame": 1024, "window": 800, "hop": 160, "bands": 40, "fmin": 80, "fmax": 7000},
        lambda y, sr: librosa.power_to_db(
            librosa.feature.melspectrogram(
                y=y,
                sr=sr,
                n_fft=1024,
                win_length=800,
                hop_length=160,
                n_mels=40,
                fmin=80,
                fmax=7000,
            ),
            ref=np.max,
        ),
        5e-3,
    ),
    (
        "mfcc",
        {"coefficients": 40},
        lambda y, sr: librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40),
        5e-3,
    ),
    (
        "mfcc",
        {"coefficients": 13, "deltas": 3},
        lambda y, sr: np.concatenate(
            [
                found := librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13),
                *(librosa.feature.delta(found, order=order) for order in (1, 2, 3)),
            ]
        ),
        5e-3,
    ),
    ("chroma", {}, lambda y, sr: librosa.feature.chroma_stft(y=y, sr=sr, tuning=0), 1e-4),
    ("centroid", {}, lambda y, sr: librosa.feature.spectral_centroid(y=y, sr=sr), 0.2),
    ("bandwidth", {}, lambda y, sr: librosa.feature.spectral_bandwidth(y=y, sr=sr), 0.2),
    ("flatness", {}, lambda y, sr: librosa.feature.spectral_flatness(y=y), 1e-5),
    ("zero-crossing-rate", {}, lambda y, sr: librosa.feature.zero_crossing_rate(y), 1e-6),
    (
        "zero-crossing-rate",
        {"frame": 400, "hop": 160},
        lambda y, sr: librosa.feature.zero_crossing_rate(y, frame_length=400, hop_length=160),
        1e-6,
    ),
    ("rms", {}, lambda y, sr: librosa.feature.rms(y=y), 1e-6),
]


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
@pytest.mark.parametrize(("name", "options", "oracle", "tolerance"), FEATURES)
def test_features_are_librosas(
    speech: Mapping[int, list[NDArray[np.float32]]],
    rate: int,
    name: str,
    options: dict[str, object],
    oracle: Oracle,
    tolerance: float,
) -> None:
    module = feature(name, rate, **options)
    for samples in speech[rate]:
        found = module(torch.from_numpy(samples.copy()))[0].numpy()
        expected = oracle(samples[0], rate)
        assert found.shape == expected.shape == (module.features, len(samples[0]) // module.hop + 1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_rolloff_is_librosas_but_for_ties(
    speech: Mapping[int, list[NDArray[np.float32]]],
) -> None:
    """The running sum reaches the threshold within a bin, and nearly always at the same bin."""
    module, bin_width = feature("rolloff", 16_000), 16_000 / 2048
    same = []
    for samples in speech[16_000]:
        found = module(torch.from_numpy(samples.copy()))[0].numpy()
        difference = np.abs(found - librosa.feature.spectral_rolloff(y=samples[0], sr=16_000))
        assert difference.max() < 1.01 * bin_width
        same.append(difference < 0.01 * bin_width)
    assert np.concatenate(same, axis=1).mean() > 0.99


def test_contrast_is_librosas_above_rounding(
    speech: Mapping[int, list[NDArray[np.float32]]],
) -> None:
    """Within 0.05 dB in noise at -80 dB, as microphones have.

    Without it the valleys just below half the sample rate, which the resampler has emptied, lie
    below the rounding of float32, and differ by up to 5 dB.
    """
    noise = np.random.default_rng(0)
    for rate, clips in speech.items():
        module = feature("contrast", rate)
        for clean in clips:
            samples = clean + noise.normal(0, 1e-4, clean.shape).astype(np.float32)
            found = module(torch.from_numpy(samples))[0].numpy()
            expected = librosa.feature.spectral_contrast(y=samples[0], sr=rate)
            assert found.shape == expected.shape
            assert np.abs(found - expected).max() < 0.05
