"""Convolutions, then an LSTM that hears their output both ways: the usual recipe for speech."""

from typing import Self

import torch
from pydantic import Field, StrictFloat, StrictInt, field_validator, model_validator
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import (
    How,
    Kernels,
    Recurrent,
    Sizes,
    Summary,
    check_pairs,
    convolutions,
    head,
    odd,
)
from sottovoce.options import StrictModel


class CNNBiLSTMOptions(StrictModel):
    """Options of the network `cnn-bilstm`."""

    filters: Sizes = Field(
        (64, 128), min_length=1, max_length=8, description="Channels of each convolution."
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
    units: Sizes = Field(
        (128, 128), min_length=1, max_length=8, description="Units of each LSTM, per direction."
    )
    lstm_dropout: StrictFloat = Field(0.3, ge=0, lt=1, description="Dropout after each LSTM.")
    summary: How = Field(
        "last",
        description="How the sequence becomes one vector. last: each direction's state when it "
        "has heard all. mean: over time. attention: a mean with learned weights.",
    )
    dense: StrictInt = Field(64, ge=1, le=2048, description="Width of the dense layer.")
    dense_dropout: StrictFloat = Field(
        0.3, ge=0, lt=1, description="Dropout after the dense layer."
    )

    _odd = field_validator("kernels")(odd)

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        check_pairs(self.kernels, self.filters)
        return self


class CNNBiLSTM(Network):
    """Blocks of convolution, batch norm, ReLU, max pool; bidirectional LSTMs; a dense layer."""

    name = "cnn-bilstm"
    Options = CNNBiLSTMOptions

    def __init__(self, options: CNNBiLSTMOptions, features: int, classes: int) -> None:
        """See `CNNBiLSTMOptions`."""
        super().__init__(options, features, classes)
        filters = options.filters
        self.blocks = convolutions(
            features, filters, options.kernels, options.pool, options.conv_dropout
        )
        self.recurrent = Recurrent(nn.LSTM, filters[-1], options.units, options.lstm_dropout)
        self.summary = Summary(options.summary, self.recurrent)
        self.head = head(self.recurrent.width, options.dense, options.dense_dropout, classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        heard = self.recurrent(self.blocks(frames).transpose(1, 2))
        logits: torch.Tensor = self.head(self.summary(heard))
        return logits
