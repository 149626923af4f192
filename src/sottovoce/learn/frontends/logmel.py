"""Log-mel energies: the power of each mel band in dB, relative to how loud the speech is."""

from typing import Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator

from sottovoce.audio.mel_scale import mel_edges, mel_filters
from sottovoce.learn.frontends import FrontEnd
from sottovoce.learn.frontends.spectrum import Spectrum
from sottovoce.options import StrictModel

DEPTH = 70.0
"""dB below the level of the speech at which the features end; what is quieter is not told apart."""

FLOOR = 1e-9
"""Least band power that counts where nothing is normalised."""


class LogMelOptions(StrictModel):
    """Options of the front end `log-mel`."""

    bands: int = Field(64, ge=8, le=256, description="Number of mel bands.")
    n_fft: int = Field(512, ge=64, le=8192, description="Points of the Fourier transform.")
    window: int = Field(400, ge=32, le=8192, description="Samples of the Hann window.")
    hop: int = Field(160, ge=16, le=4096, description="Samples from one frame to the next.")
    fmin: float = Field(50.0, ge=0, description="Hz; lower edge of the lowest band.")
    fmax: float = Field(8000.0, gt=0, description="Hz; upper edge of the highest band.")
    normalise: Literal["level", "none"] = Field(
        "level", description="level: dB relative to the speech, whatever its gain. none: plain dB."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.window > self.n_fft:
            raise ValueError(f"window: {self.window} samples; should be at most n_fft {self.n_fft}")
        if self.fmin >= self.fmax:
            raise ValueError(f"fmin: {self.fmin} Hz; should be below fmax {self.fmax}")
        return self


class LogMel(FrontEnd):
    """Mel band powers of Hann-windowed frames, in dB, scaled to about -2..1.

    Frame t is centred on sample t * hop, with zeros beyond the ends: time = samples // hop + 1.
    """

    name = "log-mel"
    Options = LogMelOptions
    centres: torch.Tensor
    filters: torch.Tensor

    def __init__(self, options: LogMelOptions, sample_rate: int) -> None:
        """See `LogMelOptions`; fmax above half the sample rate is taken as half of it."""
        super().__init__(options, sample_rate)
        self.features = options.bands
        self.normalise = options.normalise == "level"
        edges = mel_edges(options.bands, options.fmin, min(options.fmax, sample_rate / 2))
        filters = mel_filters(edges, options.n_fft, sample_rate)
        self.spectrum = Spectrum(options.n_fft, options.window, options.hop)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)
        self.register_buffer(
            "centres", torch.from_numpy(edges[1:-1].astype(np.float32)), persistent=False
        )

    def power(self, waveform: torch.Tensor) -> torch.Tensor:
        """Give the power in each band: (batch, samples) -> (batch, bands, time)."""
        return torch.matmul(self.filters, self.spectrum(waveform).transpose(1, 2))

    def raw(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), -1..1 -> (batch, bands, time)."""
        power = self.power(waveform)
        if not self.normalise:
            return (10 * torch.log10(power + FLOOR) + 40) / 20
        relative = power / speech_level(power)
        return (10 * torch.log10(relative.clamp_min(10 ** (-DEPTH / 10))) + 30) / 20


def speech_level(power: torch.Tensor) -> torch.Tensor:
    """Say how strong the speech is, whatever pauses surround it.

    With p the power of a frame over all bands, that is the mean of p weighted by p itself,
    sum p^2 / sum p: loud frames count, silent ones do not.

    Args:
        power: (batch, bands, time).

    Returns:
        (batch, 1, 1), above 0; scales with the power.
    """
    frames = power.sum(dim=1, keepdim=True)
    peak = frames.amax(dim=2, keepdim=True).clamp_min(1e-30)  # keeps p^2 within float32
    frames = frames / peak
    total = frames.sum(dim=2, keepdim=True).clamp_min(1e-6)
    return peak * ((frames * frames).sum(dim=2, keepdim=True) / total).clamp_min(1e-6)
