"""Recurrent networks on frames as they come: plain, LSTM and GRU."""

from typing import ClassVar

import torch
from pydantic import Field, StrictFloat, StrictInt
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import (
    Bidirectional,
    Cell,
    DenseDropout,
    DenseWidth,
    Recurrent,
    SequencePooling,
    TemporalPooling,
    head,
)
from sottovoce.options import StrictModel


class RecurrentOptions(StrictModel):
    """Options of the networks `rnn`, `lstm` and `gru`."""

    units: StrictInt = Field(128, ge=1, le=2048, description="Units of each layer, per direction.")
    layers: StrictInt = Field(2, ge=1, le=8, description="Number of recurrent layers.")
    bidirectional: Bidirectional = True
    dropout: StrictFloat = Field(0.3, ge=0, lt=1, description="Dropout after each recurrent layer.")
    summary: SequencePooling = "last"
    dense: DenseWidth = 64
    dense_dropout: DenseDropout = 0.3


class RecurrentNetwork(Network):
    """Recurrent layers, pooling over time, a dense layer; a subclass names the cell."""

    Options = RecurrentOptions
    cell: ClassVar[Cell]

    def __init__(self, options: RecurrentOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)
        self.recurrent = Recurrent(
            self.cell,
            features,
            (options.units,) * options.layers,
            options.dropout,
            options.bidirectional,
        )
        self.pooling = TemporalPooling(options.summary, self.recurrent)
        self.head = head(self.recurrent.width, options.dense, options.dense_dropout, classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        logits: torch.Tensor = self.head(self.pooling(self.recurrent(frames.transpose(1, 2))))
        return logits


class RNN(RecurrentNetwork):
    """Plain recurrent layers (Elman 1990), pooling over time, a dense layer."""

    name = "rnn"
    cell = nn.RNN


class LSTM(RecurrentNetwork):
    """Layers of long short-term memory (Hochreiter and Schmidhuber 1997), pooling, dense layer."""

    name = "lstm"
    cell = nn.LSTM


class GRU(RecurrentNetwork):
    """Layers of gated recurrent units (Cho et al. 2014), pooling, dense layer."""

    name = "gru"
    cell = nn.GRU
