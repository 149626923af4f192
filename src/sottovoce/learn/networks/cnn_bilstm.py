"""Convolutions, then an LSTM over their output both ways: the usual recipe for speech."""

import torch
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import (
    ConvolutionOptions,
    DenseDropout,
    DenseWidth,
    Filters,
    Kernels,
    LSTMDropout,
    Recurrent,
    SequencePooling,
    TemporalPooling,
    Units,
    convolutions,
    head,
)


class CNNBiLSTMOptions(ConvolutionOptions):
    """Options of the network `cnn-bilstm`."""

    filters: Filters = (64, 128)
    kernels: Kernels = (5,)
    units: Units = (128, 128)
    lstm_dropout: LSTMDropout = 0.3
    summary: SequencePooling = "last"
    dense: DenseWidth = 64
    dense_dropout: DenseDropout = 0.3


class CNNBiLSTM(Network):
    """Blocks of convolution, batch norm, ReLU, max pool; bidirectional LSTMs; a dense layer."""

    name = "cnn-bilstm"
    Options = CNNBiLSTMOptions

    def __init__(self, options: CNNBiLSTMOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)
        self.blocks = convolutions(features, options)
        self.recurrent = Recurrent(
            nn.LSTM, options.filters[-1], options.units, options.lstm_dropout
        )
        self.pooling = TemporalPooling(options.summary, self.recurrent)
        self.head = head(self.recurrent.width, options.dense, options.dense_dropout, classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        states = self.recurrent(self.blocks(frames).transpose(1, 2))
        logits: torch.Tensor = self.head(self.pooling(states))
        return logits
