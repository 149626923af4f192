"""The mel scale: frequencies spaced as they are perceived, and bands of equal width on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Frequencies = NDArray[np.floating[Any]] | float


def hz_to_mel(frequency: Frequencies) -> NDArray[np.float64]:
    """Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above."""
    frequency = np.asarray(frequency, dtype=np.float64)
    logarithmic = 15 + 27 * np.log(np.maximum(frequency, 1e-9) / 1000) / np.log(6.4)
    return np.where(frequency < 1000, frequency * 3 / 200, logarithmic)


def mel_to_hz(mel: Frequencies) -> NDArray[np.float64]:
    """Inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def mel_edges(bands: int, fmin: float, fmax: float) -> NDArray[np.float64]:
    """Give (bands + 2,) frequencies in Hz; band b rises from edge b to b + 1, falls to b + 2."""
    return mel_to_hz(np.linspace(hz_to_mel(fmin), hz_to_mel(fmax), bands + 2))


def mel_filters(edges: NDArray[np.float64], n_fft: int, sample_rate: int) -> NDArray[np.float32]:
    """Give triangular filters of unit area (Slaney's norm): (bands, n_fft // 2 + 1)."""
    bins = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    return (np.maximum(triangles, 0) * 2 / (high - low)).astype(np.float32)
