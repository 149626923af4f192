"""A convolutional network over time: the plainest that hears more than one frame at once."""

from typing import Self

import torch
from pydantic import Field, StrictFloat, StrictInt, field_validator, model_validator

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import Kernels, Sizes, check_pairs, convolutions, head, odd
from sottovoce.options import StrictModel


class CNNOptions(StrictModel):
    """Options of the network `cnn`."""

    filters: Sizes = Field(
        (64, 128, 256), min_length=1, max_length=8, description="Channels of each convolution."
    )
    kernels: Kernels = Field(
        (5,), min_length=1, description="Frames each convolution spans, or all of them; odd."
    )
    pool: StrictInt = Field(
        2, ge=1, le=8, description="Frames that become one after a convolution."
    )
    conv_dropout: StrictFloat = Field(
        0.3, ge=0, lt=1, description="Dropout after each convolution."
    )
    dense: StrictInt = Field(128, ge=1, le=2048, description="Width of the dense layer.")
    dense_dropout: StrictFloat = Field(
        0.5, ge=0, lt=1, description="Dropout after the dense layer."
    )

    _odd = field_validator("kernels")(odd)

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        check_pairs(self.kernels, self.filters)
        return self


class CNN(Network):
    """Blocks of convolution, batch norm, ReLU, max pool; mean over time; a dense layer."""

    name = "cnn"
    Options = CNNOptions

    def __init__(self, options: CNNOptions, features: int, classes: int) -> None:
        """See `CNNOptions`."""
        super().__init__(options, features, classes)
        filters = options.filters
        self.blocks = convolutions(
            features, filters, options.kernels, options.pool, options.conv_dropout
        )
        self.head = head(filters[-1], options.dense, options.dense_dropout, classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        logits: torch.Tensor = self.head(self.blocks(frames).mean(dim=2))
        return logits
