"""F0: how high the voice is, from the autocorrelation of each frame."""

from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sottovoce.errors import RecipeError
from sottovoce.learn.frontends.framewise import Sound, SpectralFeature, SpectralOptions
from sottovoce.learn.frontends.spectrum import hann_window

OCTAVE_COST = 0.01
"""Strength that a candidate loses per octave below the highest: of equal ones the highest wins."""

NEIGHBOUR = 1 / 6
"""Weight of the frame before and of the frame after; the frame itself has the rest."""


class PitchOptions(SpectralOptions):
    """Options of the front end `f0`."""

    lowest: float = Field(65.0, ge=20, le=2000, description="Hz; lowest voice looked for.")
    highest: float = Field(800.0, ge=40, le=4000, description="Hz; highest voice looked for.")
    voicing: float = Field(
        0.45,
        ge=0,
        le=1,
        description="Correlation of a period with the next from which it is voice.",
    )
    silence: float = Field(
        30.0, ge=0, le=200, description="dB below the loudest frame of the clip: no voice there."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError(f"lowest: {self.lowest} Hz; should be below highest {self.highest}")
        return self


class F0(SpectralFeature):
    """Fundamental frequency in Hz, 0 where there is no voice, by Boersma's method (1993).

    The autocorrelation is the transform of the power spectrum, which other features need anyway.
    Divided by that of the window it is 1 at the period of a voice, whatever the window does. Each
    frame is averaged a little with its neighbours, in place of Boersma's search for a path: of
    about equally strong candidates the one that is in the neighbouring frames too wins.

    How the defaults were chosen, and what they give, is in docs/frontends.md. The frame should hold
    three periods of the lowest voice.
    """

    name = "f0"
    Options = PitchOptions
    cosines: torch.Tensor
    cost: torch.Tensor

    def __init__(self, options: PitchOptions, sample_rate: int) -> None:
        """See `PitchOptions`; a frame of less than two periods of the lowest voice is refused."""
        super().__init__(options, sample_rate)
        shortest, longest = sample_rate / options.highest, sample_rate / options.lowest
        window = self.frame_key[1]
        if window < 2 * longest:
            raise RecipeError(
                f"frontend f0: a window of {window} samples; two periods of {options.lowest:g} Hz "
                f"are {2 * longest:.0f}: use a longer frame"
            )
        lags = np.arange(max(1, int(shortest) - 1), int(np.ceil(longest)) + 2)
        self.first = int(lags[0])
        cosines = _correlation(options.frame, window, lags)
        self.register_buffer("cosines", torch.from_numpy(cosines), persistent=False)
        cost = torch.from_numpy(OCTAVE_COST * np.log2(lags[1:-1] / lags[1])).float()
        self.register_buffer("cost", cost, persistent=False)
        self.voicing = options.voicing
        self.silence = 10 ** (-options.silence / 10)

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give F0 in Hz: (batch, 1, time)."""
        products = torch.matmul(self.power(sound), self.cosines)
        energy, products = products[:, :, :1], products[:, :, 1:]
        strength = products / energy.clamp_min(1e-20)
        around = torch.cat([strength[:, :1], strength, strength[:, -1:]], dim=1)
        neighbours = around[:, :-2] + around[:, 2:]
        strength = NEIGHBOUR * neighbours + (1 - 2 * NEIGHBOUR) * strength

        before, here, after = strength[:, :, :-2], strength[:, :, 1:-1], strength[:, :, 2:]
        peak = (here > before) & (here >= after)
        # A period is no whole number of samples: the top of the parabola through three lags.
        slope = (before - after) / 2
        offset = slope / (before - 2 * here + after).clamp_max(-1e-9)
        height = torch.where(peak, here - slope * offset / 2, -1e9)
        index = (height - self.cost).argmax(dim=2, keepdim=True)
        lag = self.first + 1 + index + offset.gather(2, index).clamp(-0.5, 0.5)
        loud = energy > self.silence * energy.amax(dim=1, keepdim=True)
        voiced = loud & (height.gather(2, index) > self.voicing)
        return torch.where(voiced, self.sample_rate / lag, 0.0).transpose(1, 2)


def _correlation(frame: int, window: int, lags: NDArray[np.int64]) -> NDArray[np.float32]:
    """Power spectrum to energy, then to the autocorrelation at each lag, free of the window's.

    The result is (frame // 2 + 1, 1 + lags), to be multiplied by (..., frame // 2 + 1) from the
    left.
    """
    bins = np.arange(frame // 2 + 1)
    share = np.where((bins == 0) | (bins == frame // 2), 1.0, 2.0)[:, None]
    own = np.fft.irfft(np.abs(np.fft.rfft(hann_window(window), frame)) ** 2, frame)
    cosines = np.cos(2 * np.pi * bins[:, None] * lags / frame) * (own[0] / own[lags])
    kernel = share * np.concatenate([np.ones((len(bins), 1)), cosines], axis=1)
    return np.asarray(kernel, dtype=np.float32)
