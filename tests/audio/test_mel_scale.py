"""The mel scale and its filters are librosa's."""

import numpy as np
import pytest

from sottovoce.audio.mel_scale import hz_to_mel, mel_edges, mel_filters, mel_to_hz


def test_filters_and_scale_are_librosas() -> None:
    librosa = pytest.importorskip("librosa")
    edges = mel_edges(64, 50, 8000)
    expected = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=50, fmax=8000)
    np.testing.assert_allclose(mel_filters(edges, 512, 16_000), expected, atol=1e-7)
    frequencies = np.array([0.0, 440, 999, 1000, 1001, 7999])
    np.testing.assert_allclose(hz_to_mel(frequencies), librosa.hz_to_mel(frequencies))
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(frequencies)), frequencies, atol=1e-9)
