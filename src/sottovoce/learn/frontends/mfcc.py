"""Mel-frequency cepstral coefficients: the shape of the spectrum in a few numbers."""

from typing import Self

import numpy as np
import torch
from pydantic import Field, model_validator

from sottovoce.learn.frontends.framewise import Sound
from sottovoce.learn.frontends.mel import BandFeature, BandOptions, decibels

DEPTH = 80.0
"""dB below the clip's loudest band and frame at which the bands end."""


class MfccOptions(BandOptions):
    """Options of the front end `mfcc`."""

    coefficients: int = Field(40, ge=1, le=512, description="Number of coefficients, from 0 on.")

    @model_validator(mode="after")
    def _enough_bands(self) -> Self:
        if self.coefficients > self.bands:
            raise ValueError(
                f"coefficients: {self.coefficients}; should be at most bands {self.bands}"
            )
        return self


class Mfcc(BandFeature):
    """The orthonormal cosine transform of mel bands in dB (Davis and Mermelstein 1980)."""

    name = "mfcc"
    Options = MfccOptions
    cosines: torch.Tensor

    def __init__(self, options: MfccOptions, sample_rate: int) -> None:
        super().__init__(options, sample_rate, rows=options.coefficients)
        position = np.pi * (np.arange(options.bands)[:, None] + 0.5) / options.bands
        cosines = np.cos(position * np.arange(options.coefficients)) * np.sqrt(2 / options.bands)
        cosines[:, 0] /= np.sqrt(2)
        self.register_buffer("cosines", torch.from_numpy(cosines).float(), persistent=False)

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the coefficients: (batch, coefficients, time)."""
        level = decibels(self.band_power(sound), reference=1.0, depth=DEPTH)
        return torch.matmul(level, self.cosines).transpose(1, 2)
