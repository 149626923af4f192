"""Frames as a picture: convolutions over time and features, then LSTMs over time."""

from typing import Annotated

import torch
from pydantic import AfterValidator, Field, StrictInt
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import (
    Bidirectional,
    ConvolutionDropout,
    DenseDropout,
    DenseWidth,
    Filters,
    LSTMDropout,
    Pool,
    Recurrent,
    SequencePooling,
    TemporalPooling,
    Units,
    as_picture,
    head,
    odd,
)
from sottovoce.options import StrictModel


class CNN2dLSTMOptions(StrictModel):
    """Options of the network `cnn2d-lstm`."""

    filters: Filters = (16, 32, 64)
    kernel: Annotated[StrictInt, AfterValidator(odd)] = Field(
        3, ge=1, le=31, description="Features and frames that a convolution spans; odd."
    )
    pool_features: StrictInt = Field(
        2, ge=1, le=16, description="Features that become one after a convolution."
    )
    pool_frames: StrictInt = Field(
        2, ge=1, le=16, description="Frames that become one after a convolution."
    )
    conv_dropout: ConvolutionDropout = 0.25
    units: Units = (256, 128)
    bidirectional: Bidirectional = False
    lstm_dropout: LSTMDropout = 0.3
    summary: SequencePooling = "last"
    dense: DenseWidth = 64
    dense_dropout: DenseDropout = 0.3


class CNN2dLSTM(Network):
    """Blocks of 2-D convolution, batch norm, ReLU, max pool; LSTMs over time; a dense layer."""

    name = "cnn2d-lstm"
    Options = CNN2dLSTMOptions

    def __init__(self, options: CNN2dLSTMOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)
        layers: list[nn.Module] = []
        channels, rows, kernel = 1, features, options.kernel
        for width in options.filters:
            layers += [
                nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(width),
                Pool(options.pool_features, options.pool_frames),
                nn.ReLU(),
                nn.Dropout(options.conv_dropout),
            ]
            channels, rows = width, -(-rows // options.pool_features)
        self.blocks = nn.Sequential(*layers)
        self.recurrent = Recurrent(
            nn.LSTM,
            channels * rows,
            options.units,
            options.lstm_dropout,
            options.bidirectional,
        )
        self.pooling = TemporalPooling(options.summary, self.recurrent)
        self.head = head(self.recurrent.width, options.dense, options.dense_dropout, classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        pictures = self.blocks(as_picture(frames))  # (batch, channels, rows, time)
        states = self.recurrent(pictures.flatten(1, 2).transpose(1, 2))
        logits: torch.Tensor = self.head(self.pooling(states))
        return logits
