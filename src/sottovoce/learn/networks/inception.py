"""GoogLeNet (Szegedy et al. 2015) on frames as a picture, from scratch."""

from collections.abc import Callable

import torch
from pydantic import Field, StrictFloat
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import as_picture
from sottovoce.options import StrictModel

# Table 1 of the paper: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
"""Channels in the blocks 3a-3b, 4a-4e and 5a-5b."""


class InceptionOptions(StrictModel):
    """Options of the network `inception`."""

    width: StrictFloat = Field(
        1.0, gt=0, le=4, description="Channels of every convolution, in those of GoogLeNet."
    )
    batch_norm: bool = Field(
        True, strict=True, description="Batch norm after each convolution, as later versions have."
    )
    dropout: StrictFloat = Field(0.4, ge=0, lt=1, description="Dropout before the last layer.")


class Inception(Network):
    """GoogLeNet without its side outputs: convolutions of several sizes side by side, nine times.

    The blocks are those of "Going deeper with convolutions" (Szegedy et al. 2015); batch norm is
    that of Ioffe and Szegedy (2015).
    """

    name = "inception"
    Options = InceptionOptions

    def __init__(self, options: InceptionOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)

        def scaled(channels: int) -> int:
            return max(1, round(options.width * channels))

        def convolution(channels: int, width: int, kernel: int, stride: int = 1) -> nn.Sequential:
            norm = [nn.BatchNorm2d(width)] if options.batch_norm else []
            padding, bias = kernel // 2, not options.batch_norm
            conv = nn.Conv2d(channels, width, kernel, stride, padding, bias=bias)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            return nn.Sequential(conv, *norm, nn.ReLU())

        narrow, channels = scaled(64), scaled(192)
        layers: list[nn.Module] = [
            convolution(1, narrow, 7, stride=2),
            half_size(),
            convolution(narrow, narrow, 1),
            convolution(narrow, channels, 3),
            half_size(),
        ]
        for number, stage in enumerate(STAGES):
            if number > 0:
                layers.append(half_size())
            for widths in stage:
                block = InceptionBlock(channels, [scaled(width) for width in widths], convolution)
                layers.append(block)
                channels = block.channels
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(options.dropout), nn.Linear(channels, classes))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        logits: torch.Tensor = self.head(self.blocks(as_picture(frames)).mean(dim=(2, 3)))
        return logits


class InceptionBlock(nn.Module):
    """Four branches on the same picture, whose channels are put side by side.

    Attributes:
        channels: number of them that come out.
    """

    def __init__(
        self,
        channels: int,
        widths: list[int],
        convolution: Callable[[int, int, int], nn.Sequential],
    ) -> None:
        """`widths` is a row of `STAGES`; `convolution` takes channels in, channels out, kernel."""
        super().__init__()
        width1, reduce3, width3, reduce5, width5, project = widths
        self.branches = nn.ModuleList(
            [
                convolution(channels, width1, 1),
                nn.Sequential(convolution(channels, reduce3, 1), convolution(reduce3, width3, 3)),
                nn.Sequential(convolution(channels, reduce5, 1), convolution(reduce5, width5, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, padding=1), convolution(channels, project, 1)),
            ]
        )
        self.channels = width1 + width3 + width5 + project

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """picture: (batch, channels, rows, time) -> as many rows and frames, other channels."""
        return torch.cat([branch(picture) for branch in self.branches], dim=1)


def half_size() -> nn.MaxPool2d:
    """Max pool that makes rows and frames half as many, rounded up: a single one stays."""
    return nn.MaxPool2d(3, 2, padding=1)
