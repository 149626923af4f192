"""The spectrum is librosa's, whatever its size, in one step and in two."""

import librosa
import numpy as np
import pytest
import torch

from sottovoce.learn.frontends.spectrum import DIRECT, Spectrum


@pytest.mark.parametrize("samples", [4000, 4096])
@pytest.mark.parametrize("pad", ["constant", "reflect"])
@pytest.mark.parametrize(
    ("frame", "window", "hop"),
    [(400, 400, 160), (512, 401, 128), (DIRECT, 64, 512), (2048, 2048, 512), (1000, 601, 300)],
)
def test_power_is_librosas(frame: int, window: int, hop: int, pad: str, samples: int) -> None:
    waveform = np.random.default_rng(0).normal(0, 0.1, (2, samples)).astype(np.float32)
    found = Spectrum(frame, window, hop, pad)(torch.from_numpy(waveform)).numpy()  # type: ignore[arg-type]
    expected = librosa.stft(
        waveform, n_fft=frame, hop_length=hop, win_length=window, pad_mode=pad, dtype=np.complex128
    )
    np.testing.assert_allclose(
        found, np.abs(expected).transpose(0, 2, 1) ** 2, rtol=1e-3, atol=1e-5
    )
