"""Features of the waveform of each frame: its level, and how often it crosses zero."""

import torch
import torch.nn.functional as F  # noqa: N812

from sottovoce.learn.frontends.framewise import FrameFeature, FrameFeatureOptions, Sound

THRESHOLD = 1e-10
"""Samples not further below zero than this count as zero, which is not negative."""


class Rms(FrameFeature):
    """Root mean square of the samples of a frame, with zeros beyond the ends."""

    name = "rms"
    Options = FrameFeatureOptions

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the level, full scale 1: (batch, 1, time)."""
        half = self.frame // 2
        square = F.pad(sound.waveform.square(), (half, half))[:, None]
        return F.avg_pool1d(square, self.frame, self.hop).sqrt()


class ZeroCrossingRate(FrameFeature):
    """Fraction of the samples of a frame whose sign is not that of the sample before."""

    name = "zero-crossing-rate"
    Options = FrameFeatureOptions

    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the rate, 0..1: (batch, 1, time)."""
        negative = sound.waveform < -THRESHOLD
        crossed = (negative[:, 1:] != negative[:, :-1]).float()
        # The first sample of a frame has none before it: frame t has the crossings into samples
        # t * hop - half + 1 to t * hop + half - 1, and crossing i is the one into sample i + 1.
        half = self.frame // 2
        crossed = F.pad(crossed, (half, half))[:, None]
        rate = F.avg_pool1d(crossed, self.frame - 1, self.hop) * ((self.frame - 1) / self.frame)
        return rate[:, :, : sound.waveform.shape[1] // self.hop + 1]
