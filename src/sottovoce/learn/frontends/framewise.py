"""The base of features of single frames: a sound whose spectrum is computed once, and deltas."""

import math
from abc import abstractmethod
from collections.abc import Callable, Hashable
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field, model_validator
from torch import nn

from sottovoce.learn.frontends import FrontEnd
from sottovoce.learn.frontends.spectrum import Spectrum
from sottovoce.options import StrictModel

DELTA_WIDTH = 9
"""Frames to which the polynomial of a delta is fitted."""


class Sound:
    """A batch of waveforms, and what several features need of it, each computed once.

    Attributes:
        waveform: (batch, samples), -1..1.
    """

    def __init__(self, waveform: torch.Tensor) -> None:
        """Nothing is computed before a feature needs it."""
        self.waveform = waveform
        self._known: dict[Hashable, torch.Tensor] = {}

    def once(self, key: Hashable, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Give the result of `make`, computed once for each `key`."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]


class FrameOptions(StrictModel):
    """How a waveform is cut into frames; the defaults are librosa's."""

    frame: int = Field(2048, ge=64, le=16384, multiple_of=2, description="Samples of a frame.")
    hop: int = Field(512, ge=16, le=16384, description="Samples from one frame to the next.")


class FrameFeatureOptions(FrameOptions):
    """Options of every feature of frames."""

    deltas: int = Field(
        0, ge=0, le=4, description="Highest order of the slopes over time that are added below."
    )


class Delta(nn.Module):
    """The derivative of any order of every feature, per frame, as librosa's `feature.delta`.

    A polynomial of that order is fitted to each frame and its neighbours (Savitzky and Golay 1964).
    Its highest derivative is the same everywhere, so that the first and the last four frames, which
    have too few neighbours, have the slope of the nearest frame that has enough. A sequence of less
    than nine frames, which librosa refuses, is taken to go on with its last frame.
    """

    kernel: torch.Tensor

    def __init__(self, order: int) -> None:
        """`order` is 1 for the slope, 2 for the slope of the slope, up to `DELTA_WIDTH` - 1."""
        super().__init__()
        neighbours = np.arange(DELTA_WIDTH) - DELTA_WIDTH // 2
        fit = np.linalg.pinv(np.vander(neighbours, order + 1, increasing=True))
        kernel = torch.tensor(fit[order] * math.factorial(order), dtype=torch.float32)
        self.register_buffer("kernel", kernel[None, None], persistent=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """values: (batch, features, time) -> their slopes, the same shape."""
        batch, features, time = values.shape
        padded = F.pad(values, (0, DELTA_WIDTH - 1), mode="replicate")
        slopes = F.conv1d(padded.reshape(batch * features, 1, time + DELTA_WIDTH - 1), self.kernel)
        # Slope i is that of frames i to i + 8, and belongs to frame i + 4; the last is time - 9.
        middle = torch.arange(time, device=values.device) - DELTA_WIDTH // 2
        nearest = middle.clamp(max=time - DELTA_WIDTH).clamp(min=0)
        return slopes[:, 0, nearest].reshape(batch, features, time)


class FrameFeature(FrontEnd):
    """Some values for each frame, and their deltas below them.

    Frame t is centred on sample t * hop: time = samples // hop + 1.
    """

    def __init__(self, options: FrameFeatureOptions, sample_rate: int, rows: int = 1) -> None:
        """`rows` is the number of values of a frame, without deltas."""
        super().__init__(options, sample_rate)
        self.frame, self.hop = options.frame, options.hop
        self.deltas = nn.ModuleList(Delta(order) for order in range(1, options.deltas + 1))
        self.features = rows * (1 + options.deltas)

    def raw(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), -1..1 -> (batch, features, time)."""
        return self.of(Sound(waveform))

    def of(self, sound: Sound) -> torch.Tensor:
        """Give the feature of a sound that other features may share: (batch, features, time)."""
        values = self.measure(sound)
        return torch.cat([values, *(delta(values) for delta in self.deltas)], dim=1)

    @abstractmethod
    def measure(self, sound: Sound) -> torch.Tensor:
        """Give the values without deltas: (batch, rows, time)."""


class SpectralOptions(FrameFeatureOptions):
    """Options of features of the spectrum."""

    window: int = Field(
        0, ge=0, le=16384, description="Samples of the Hann window in the frame's middle; 0: all."
    )

    @model_validator(mode="after")
    def _window_in_frame(self) -> Self:
        if self.window > self.frame:
            raise ValueError(f"window: {self.window} samples; should be at most frame {self.frame}")
        return self


class SpectralFeature(FrameFeature):
    """A feature of the spectrum of each frame, which is shared with others of the same frames."""

    def __init__(self, options: SpectralOptions, sample_rate: int, rows: int = 1) -> None:
        """See `SpectralOptions`; `rows` is the number of values of a frame, without deltas."""
        super().__init__(options, sample_rate, rows)
        window = options.window or options.frame
        self.spectrum = Spectrum(options.frame, window, options.hop)
        self.frame_key = (options.frame, window, options.hop)

    def power(self, sound: Sound) -> torch.Tensor:
        """Give |X|^2: (batch, time, bins), bin k at k * sample_rate / frame Hz."""
        return sound.once(("power", self.frame_key), lambda: self.spectrum(sound.waveform))

    def magnitude(self, sound: Sound) -> torch.Tensor:
        """Give |X|: (batch, time, bins)."""
        return sound.once(("magnitude", self.frame_key), lambda: self.power(sound).sqrt())
