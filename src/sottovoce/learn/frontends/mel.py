"""Mel bands: the power of each band of frequencies, plain or in decibels."""

import math
from typing import Literal, Self

import torch
from pydantic import Field, model_validator

from sottovoce.audio.mel_scale import mel_edges, mel_filters
from sottovoce.learn.frontends.framewise import Sound, SpectralFeature, SpectralOptions

MIN_POWER = 1e-10
"""Power below which decibels do not fall."""


class BandOptions(SpectralOptions):
    """Options of features that are made from mel bands."""

    bands: int = Field(128, ge=8, le=512, description="Number of mel bands.")
    fmin: float = Field(0.0, ge=0, description="Hz; lower edge of the lowest band.")
    fmax: float = Field(
        0.0, ge=0, description="Hz; upper edge of the highest band; 0: half the sample rate."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fmax and self.fmin >= self.fmax:
            raise ValueError(f"fmin: {self.fmin} Hz; should be below fmax {self.fmax}")
        return self


class BandFeature(SpectralFeature):
    """A feature that is made from mel bands, which are shared with others of the same bands."""

    filters: torch.Tensor

    def __init__(self, options: BandOptions, sample_rate: int, rows: int) -> None:
        """See `BandOptions`; fmax above half the sample rate is taken as half of it."""
        super().__init__(options, sample_rate, rows)
        self.bands = (options.bands, options.fmin, min(options.fmax or 1e9, sample_rate / 2))
        self.edges = mel_edges(*self.bands)
        filters = mel_filters(self.edges, options.frame, sample_rate)
        self.register_buffer("filters", torch.from_numpy(filters.T.copy()), persistent=False)

    def band_power(self, sound: Sound) -> torch.Tensor:
        """Give the power in each band: (batch, time, bands)."""
        return sound.once(
            ("bands", self.frame_key, self.bands),
            lambda: torch.matmul(self.power(sound), self.filters),
        )


class MelOptions(BandOptions):
    """Options of the front end `mel`."""

    scale: Literal["db", "power"] = Field("db", description="Decibels, or power as it is.")
    reference: float = Field(
        0.0, ge=0, description="Power that is 0 dB; 0: that of the clip's loudest band and frame."
    )
    depth: float = Field(
        80.0, ge=0, description="dB below the clip's loudest at which values end; 0: nowhere."
    )


class Mel(BandFeature):
    """Mel bands as librosa's `melspectrogram` and `power_to_db` give them."""

    name = "mel"
    Options = MelOptions
    options: MelOptions

    def __init__(self, options: MelOptions, sample_rate: int) -> None:
        super().__init__(options, sample_rate, rows=options.bands)
        if not options.deltas:
            centres = torch.from_numpy(self.edges[1:-1]).float()
            self.register_buffer("centres", centres, persistent=False)

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the bands: (batch, bands, time)."""
        values = self.band_power(sound)
        if self.options.scale == "db":
            values = decibels(values, self.options.reference, self.options.depth)
        return values.transpose(1, 2)


def decibels(power: torch.Tensor, reference: float, depth: float) -> torch.Tensor:
    """Turn power into dB relative to `reference`, or where that is 0 to the largest of a clip.

    Args:
        power: (batch, ...), 0 or more.
        reference: the power that is 0 dB, or 0.
        depth: dB below the largest of a clip at which the values end, or 0: nowhere.

    Returns:
        As `power`.
    """
    level = 10 * power.clamp_min(MIN_POWER).log10()
    loudest = level.amax(dim=tuple(range(1, power.ndim)), keepdim=True)
    if depth:
        level = torch.maximum(level, loudest - depth)
    if reference:
        return level - 10 * math.log10(max(reference, MIN_POWER))
    return level - loudest
