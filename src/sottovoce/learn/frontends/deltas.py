"""Deltas: how fast each feature changes, from a polynomial fitted to nine frames."""

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

WIDTH = 9
"""Frames to which the polynomial is fitted."""


class Delta(nn.Module):
    """The derivative of any order of every feature, per frame, as librosa's `feature.delta`.

    A polynomial of that order is fitted to each frame and its neighbours (Savitzky and Golay 1964).
    Its highest derivative is the same everywhere, so that the first and the last four frames, which
    have too few neighbours, have the slope of the nearest frame that has enough. A sequence of less
    than nine frames, which librosa refuses, is taken to go on with its last frame.
    """

    kernel: torch.Tensor

    def __init__(self, order: int) -> None:
        """`order` is 1 for the slope, 2 for the slope of the slope, up to `WIDTH` - 1."""
        super().__init__()
        neighbours = np.arange(WIDTH) - WIDTH // 2
        fit = np.linalg.pinv(np.vander(neighbours, order + 1, increasing=True))
        kernel = torch.tensor(fit[order] * math.factorial(order), dtype=torch.float32)
        self.register_buffer("kernel", kernel[None, None], persistent=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """values: (batch, features, time) -> their slopes, the same shape."""
        batch, features, time = values.shape
        going_on = F.pad(values, (0, WIDTH - 1), mode="replicate")
        slopes = F.conv1d(going_on.reshape(batch * features, 1, time + WIDTH - 1), self.kernel)
        # Slope i is that of frames i to i + 8, and belongs to frame i + 4; the last is time - 9.
        middle = torch.arange(time, device=values.device) - WIDTH // 2
        nearest = middle.clamp(max=time - WIDTH).clamp(min=0)
        return slopes[:, 0, nearest].reshape(batch, features, time)
