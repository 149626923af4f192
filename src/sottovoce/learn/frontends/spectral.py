"""The shape of the spectrum of each frame in one number, or in one per octave."""

import itertools

import numpy as np
import torch
from pydantic import Field

from sottovoce.errors import RecipeError
from sottovoce.learn.frontends.framewise import Sound, SpectralFeature, SpectralOptions
from sottovoce.learn.frontends.mel import MIN_POWER, decibels

SILENT_MAGNITUDE = 1e-30
"""Sum of magnitudes below which a frame is silent; its numbers are 0."""


class MomentFeature(SpectralFeature):
    """A feature made from moments of the magnitudes over frequency, shared with others.

    With f the frequency in units of half the sample rate, the moments are the sums of |X|, |X| f,
    |X| (f - 1/2) and |X| (f - 1/2)^2; the last two are about the middle so as to cancel less.
    """

    weights: torch.Tensor

    def __init__(self, options: SpectralOptions, sample_rate: int) -> None:
        super().__init__(options, sample_rate)
        bins = torch.linspace(0, 1, options.frame // 2 + 1)
        about = bins - 0.5
        weights = torch.stack([torch.ones_like(bins), bins, about, about * about], dim=1)
        self.register_buffer("weights", weights, persistent=False)

    def moments(self, sound: Sound) -> torch.Tensor:
        """Give the four sums, the last three over the first: (batch, 4, time)."""

        def make() -> torch.Tensor:
            sums = torch.matmul(self.magnitude(sound), self.weights).transpose(1, 2)
            return sums / sums[:, :1].clamp_min(SILENT_MAGNITUDE)

        return sound.once(("moments", self.frame_key), make)


class Centroid(MomentFeature):
    """Mean frequency of the magnitudes of a frame, in Hz; 0 in silence."""

    name = "centroid"
    Options = SpectralOptions

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the centroid: (batch, 1, time)."""
        return self.moments(sound)[:, 1:2] * (self.sample_rate / 2)


class Bandwidth(MomentFeature):
    """Standard deviation of frequency about the centroid, in Hz; 0 in silence."""

    name = "bandwidth"
    Options = SpectralOptions

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the bandwidth: (batch, 1, time)."""
        moments = self.moments(sound)
        variance = moments[:, 3:4] - moments[:, 2:3].square()
        return variance.clamp_min(0).sqrt() * (self.sample_rate / 2)


class ContrastOptions(SpectralOptions):
    """Options of the front end `contrast`."""

    octaves: int = Field(
        6, ge=1, le=10, description="Octaves from `fmin` up; one more row is what lies below."
    )
    fmin: float = Field(200.0, gt=0, description="Hz; lower edge of the lowest octave.")
    fraction: float = Field(
        0.02, gt=0, lt=0.5, description="Fraction of an octave's bins that is its peak, or valley."
    )


class Contrast(SpectralFeature):
    """Peak over valley of the magnitudes in each octave, in dB (Jiang et al. 2002)."""

    name = "contrast"
    Options = ContrastOptions

    def __init__(self, options: ContrastOptions, sample_rate: int) -> None:
        """See `ContrastOptions`; an octave above half the sample rate is refused."""
        super().__init__(options, sample_rate, rows=options.octaves + 1)
        edges = np.concatenate([[0.0], options.fmin * 2.0 ** np.arange(options.octaves + 1)])
        if edges[-2] >= sample_rate / 2:
            raise RecipeError(
                f"frontend contrast: {options.octaves} octaves from {options.fmin:g} Hz up; "
                f"the last begins at {edges[-2]:.0f} Hz, and should begin below {sample_rate / 2:g}"
            )
        self.spans = _octaves(edges, options.frame, sample_rate, options.fraction)

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the contrast: (batch, octaves + 1, time)."""
        magnitude = self.magnitude(sound)
        peaks, valleys = [], []
        for start, end, count in self.spans:
            octave = magnitude[:, :, start:end]
            peaks.append(octave.topk(count, dim=2).values.mean(dim=2))
            valleys.append(octave.topk(count, dim=2, largest=False).values.mean(dim=2))
        peak, valley = torch.stack(peaks, dim=1), torch.stack(valleys, dim=1)
        return decibels(peak, 1.0, 80.0) - decibels(valley, 1.0, 80.0)


def _octaves(
    edges: np.ndarray, frame: int, sample_rate: int, fraction: float
) -> list[tuple[int, int, int]]:
    """First bin, bin after the last, and bins in a peak, of each octave, as librosa has them.

    An octave begins with the bin before its lower edge and, but for the highest, lacks its last.
    """
    frequency = np.arange(frame // 2 + 1) * sample_rate / frame
    spans = []
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        bins = np.flatnonzero((frequency >= low) & (frequency <= high))
        highest = number == len(edges) - 2
        start = bins[0] - (number > 0)
        end = len(frequency) if highest else bins[-1] + 1
        count = max(1, int(np.rint(fraction * (end - start))))
        spans.append((int(start), int(end if highest else end - 1), count))
    return spans


class Flatness(SpectralFeature):
    """Geometric over arithmetic mean of the power: near 0 for a tone, towards 1 for noise."""

    name = "flatness"
    Options = SpectralOptions

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the flatness: (batch, 1, time)."""
        power = self.power(sound).clamp_min(MIN_POWER)
        return (power.log().mean(dim=2).exp() / power.mean(dim=2))[:, None]


class RolloffOptions(SpectralOptions):
    """Options of the front end `rolloff`."""

    fraction: float = Field(
        0.85, gt=0, lt=1, description="Fraction of the magnitudes that lies below."
    )


class Rolloff(SpectralFeature):
    """Frequency below which a fraction of the magnitudes of a frame lies, in Hz; 0 in silence."""

    name = "rolloff"
    Options = RolloffOptions
    options: RolloffOptions

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the frequency of the bin that reaches the fraction: (batch, 1, time)."""
        below = self.magnitude(sound).cumsum(dim=2)
        count = (below < self.options.fraction * below[:, :, -1:]).sum(dim=2).float()
        return count[:, None] * (self.sample_rate / self.frame)
