"""A temporal convolutional network with attentive statistics pooling: small, quick, any length."""

from typing import Annotated

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import AfterValidator, Field
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import odd
from sottovoce.options import StrictModel


class TCNOptions(StrictModel):
    """Options of the network `tcn`."""

    width: int = Field(192, ge=8, le=1024, description="Channels throughout.")
    blocks: int = Field(6, ge=1, le=32, description="Number of residual blocks.")
    kernel: Annotated[int, AfterValidator(odd)] = Field(
        5, ge=3, le=31, description="Frames that a convolution spans; odd."
    )
    dilations: int = Field(3, ge=1, le=8, description="Blocks have dilation 1 to this, in turn.")
    expansion: int = Field(2, ge=1, le=8, description="Inner width of a block, in widths.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout at the end of each block.")
    attention: int = Field(64, ge=4, le=512, description="Inner width of the pooling's attention.")
    head_dropout: float = Field(0.3, ge=0, lt=1, description="Dropout before the last layer.")


class TCN(Network):
    """Strided stem, dilated depthwise-separable residual blocks, attentive pooling, one layer.

    The blocks are those of ConvNeXt (Liu et al. 2022) in one dimension, with batch norm; dilation
    as in temporal convolutional networks (Bai et al. 2018).
    """

    name = "tcn"
    Options = TCNOptions

    def __init__(self, options: TCNOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)
        width, kernel = options.width, options.kernel
        self.stem = nn.Sequential(
            nn.Conv1d(features, width, kernel, stride=2, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(width),
            nn.GELU(),
        )
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    width, kernel, 1 + i % options.dilations, options.expansion, options.dropout
                )
                for i in range(options.blocks)
            )
        )
        self.pool = AttentivePool(width, options.attention)
        self.head = nn.Sequential(
            nn.BatchNorm1d(2 * width),
            nn.Dropout(options.head_dropout),
            nn.Linear(2 * width, classes),
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        logits: torch.Tensor = self.head(self.pool(self.blocks(self.stem(frames))))
        return logits


class ResidualBlock(nn.Module):
    """A residual block: look along time in each channel, then mix the channels at each frame."""

    def __init__(
        self, width: int, kernel: int, dilation: int, expansion: int, dropout: float
    ) -> None:
        """Keep length: `kernel` is odd; `expansion` is the inner width in widths."""
        super().__init__()
        self.along = nn.Conv1d(
            width,
            width,
            kernel,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=width,
            bias=False,
        )
        self.norm_in = nn.BatchNorm1d(width)
        self.expand = nn.Conv1d(width, expansion * width, 1)
        self.reduce = nn.Conv1d(expansion * width, width, 1)
        self.norm_out = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)
        self.scale = nn.Parameter(torch.tensor(0.3))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, width, time) -> the same shape."""
        mixed = self.reduce(F.gelu(self.expand(self.norm_in(self.along(frames)))))
        change: torch.Tensor = self.scale * self.dropout(self.norm_out(mixed))
        return frames + change


class AttentivePool(nn.Module):
    """Attentive statistics pooling (Okabe et al. 2018): weighted mean and standard deviation.

    Each channel has weights of its own.
    """

    def __init__(self, width: int, inner: int) -> None:
        """`inner`: width of the layer that the weights come from."""
        super().__init__()
        self.attention = nn.Sequential(
            nn.Conv1d(width, inner, 1), nn.Tanh(), nn.Conv1d(inner, width, 1)
        )

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, width, time) -> (batch, 2 * width)."""
        weights = torch.softmax(self.attention(frames), dim=2)
        mean = (weights * frames).sum(dim=2)
        variance = (weights * frames * frames).sum(dim=2) - mean * mean
        return torch.cat([mean, variance.clamp_min(1e-4).sqrt()], dim=1)
