"""Normalisation of features: by the clip itself, or by what the training clips are like."""

from collections.abc import Iterable

import torch
from torch import nn

from sottovoce.errors import SottovoceError

MIN_STD = 1e-5
"""Standard deviation below which a feature is constant, and is not blown up."""


def standardise(values: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    """Shift and scale to mean 0 and standard deviation 1 over `dims`: (batch, ...) -> the same."""
    centred = values - values.mean(dim=dims, keepdim=True)
    std = centred.square().mean(dim=dims, keepdim=True).sqrt()
    return centred / std.clamp_min(MIN_STD)


class TrainingStatistics(nn.Module):
    """Shifts and scales each feature by its mean and standard deviation over the training clips.

    They are buffers: a checkpoint keeps them, and an exported graph holds them. Until `fit` has set
    them they are NaN, so that features which were never normalised cannot be overlooked.

    Attributes:
        mean: (features, 1).
        std: (features, 1), above 0.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, features: int) -> None:
        """`features` is the number of values of a frame."""
        super().__init__()
        self.register_buffer("mean", torch.full((features, 1), torch.nan))
        self.register_buffer("std", torch.full((features, 1), torch.nan))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """values: (batch, features, time) -> the same."""
        return (values - self.mean) / self.std

    def fit(self, batches: Iterable[torch.Tensor]) -> None:
        """Take the statistics of batches (batch, features, time) of the training speakers' clips.

        Raises:
            SottovoceError: there is no batch.
        """
        count = 0
        total = torch.zeros_like(self.mean, dtype=torch.float64)
        squares = torch.zeros_like(total)
        for values in batches:
            frames = values.double()
            count += frames.shape[0] * frames.shape[2]
            total += frames.sum(dim=(0, 2))[:, None]
            squares += frames.square().sum(dim=(0, 2))[:, None]
        if not count:
            raise SottovoceError("no training clip to take the statistics of features from")
        mean = total / count
        std = (squares / count - mean.square()).clamp_min(0).sqrt()
        self.mean.copy_(mean)
        self.std.copy_(std.clamp_min(MIN_STD))
