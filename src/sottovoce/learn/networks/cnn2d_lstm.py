"""Frames as a picture: convolutions over time and features, then LSTMs over time."""

import torch
from pydantic import Field, StrictFloat, StrictInt, field_validator
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import How, Pool, Recurrent, Sizes, Summary, as_picture, head
from sottovoce.options import StrictModel


class CNN2dLSTMOptions(StrictModel):
    """Options of the network `cnn2d-lstm`."""

    filters: Sizes = Field(
        (16, 32, 64), min_length=1, max_length=8, description="Channels of each convolution."
    )
    kernel: StrictInt = Field(
        3, ge=1, le=31, description="Features and frames that a convolution spans; odd."
    )
    pool_features: StrictInt = Field(
        2, ge=1, le=16, description="Features that become one after a convolution."
    )
    pool_frames: StrictInt = Field(
        2, ge=1, le=16, description="Frames that become one after a convolution."
    )
    conv_dropout: StrictFloat = Field(
        0.25, ge=0, lt=1, description="Dropout after each convolution."
    )
    units: Sizes = Field(
        (256, 128), min_length=1, max_length=8, description="Units of each LSTM, per direction."
    )
    bidirectional: bool = Field(False, strict=True, description="Hear the clip backwards as well.")
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

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError("should be odd")
        return kernel


class CNN2dLSTM(Network):
    """Blocks of 2-D convolution, batch norm, ReLU, max pool; LSTMs over time; a dense layer."""

    name = "cnn2d-lstm"
    Options = CNN2dLSTMOptions

    def __init__(self, options: CNN2dLSTMOptions, features: int, classes: int) -> None:
        """See `CNN2dLSTMOptions`."""
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
        self.summary = Summary(options.summary, self.recurrent)
        self.head = head(self.recurrent.width, options.dense, options.dense_dropout, classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        pictures = self.blocks(as_picture(frames))  # (batch, channels, rows, time)
        heard = self.recurrent(pictures.flatten(1, 2).transpose(1, 2))
        logits: torch.Tensor = self.head(self.summary(heard))
        return logits
