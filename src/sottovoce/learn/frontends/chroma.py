"""Chroma: the power of each pitch class, whatever its octave."""

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sottovoce.learn.frontends.framewise import Sound, SpectralFeature, SpectralOptions

SILENT_POWER = 1e-30
"""Power below which a frame is silent, and stays as it is."""


class ChromaOptions(SpectralOptions):
    """Options of the front end `chroma`."""

    classes: int = Field(12, ge=3, le=96, description="Pitch classes of an octave, C first.")


class Chroma(SpectralFeature):
    """Power of each pitch class relative to the strongest of its frame (Ellis 2007).

    As librosa's `chroma_stft` with tuning=0: A is 440 Hz, and is not estimated for each clip.
    """

    name = "chroma"
    Options = ChromaOptions
    filters: torch.Tensor

    def __init__(self, options: ChromaOptions, sample_rate: int) -> None:
        super().__init__(options, sample_rate, rows=options.classes)
        filters = chroma_filters(options.classes, options.frame, sample_rate)
        self.register_buffer("filters", torch.from_numpy(filters.T.copy()), persistent=False)

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the chroma, 0..1: (batch, classes, time)."""
        raw = torch.matmul(self.power(sound), self.filters)
        strongest = raw.amax(dim=2, keepdim=True)
        chroma = raw / torch.where(strongest > SILENT_POWER, strongest, 1.0)
        return chroma.transpose(1, 2)


def chroma_filters(classes: int, n_fft: int, sample_rate: int) -> NDArray[np.float32]:
    """Give the weight of each bin in each pitch class: (classes, n_fft // 2 + 1).

    Each bin is a Gaussian over the pitch classes, about as wide as the bin; the bins five octaves
    above 27.5 Hz weigh most, with a standard deviation of two octaves.
    """
    octaves = np.log2(np.arange(1, n_fft) * sample_rate / n_fft / 27.5)
    octaves = np.concatenate([[octaves[0] - 1.5], octaves])  # 0 Hz: a pitch that blurs
    pitch = classes * octaves
    width = np.concatenate([np.maximum(np.diff(pitch), 1.0), [1.0]])
    half = np.round(classes / 2)
    distance = pitch - np.arange(classes)[:, None]
    distance = np.remainder(distance + half + 10 * classes, classes) - half
    weights = np.exp(-0.5 * (2 * distance / width) ** 2)
    weights /= np.linalg.norm(weights, axis=0)
    weights *= np.exp(-0.5 * ((octaves - 5) / 2) ** 2)
    weights = np.roll(weights, -3 * (classes // 12), axis=0)  # from A first to C first
    return np.asarray(weights[:, : n_fft // 2 + 1], dtype=np.float32)
