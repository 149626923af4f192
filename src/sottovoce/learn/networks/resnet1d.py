"""A residual convolutional network over time that gives an embedding: ever coarser steps."""

from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.options import StrictModel

Width = Annotated[int, Field(strict=True, ge=8, le=2048)]


class ResNet1dOptions(StrictModel):
    """Options of the network `resnet-1d`."""

    widths: tuple[Width, ...] = Field(
        (128, 256, 384),
        min_length=1,
        max_length=6,
        description="Channels of each stage; each sees half as many frames as the one before it.",
    )
    blocks: tuple[Annotated[int, Field(strict=True, ge=1, le=32)], ...] = Field(
        (2, 3, 5), min_length=1, max_length=6, description="Residual blocks in each stage."
    )
    dilations: int = Field(2, ge=1, le=8, description="Blocks have dilation 1 to this, in turn.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout at the end of each block.")
    attention: int = Field(64, ge=4, le=512, description="Inner width of the pooling's attention.")
    embedding: int = Field(256, ge=8, le=2048, description="Size of the embedding.")


class Heard(NamedTuple):
    """What a network makes of a clip.

    Attributes:
        embedding: (batch, size).
        frames: (batch, time, channels) of the last stage.
    """

    embedding: torch.Tensor
    frames: torch.Tensor


class ResNet1d(Network):
    """Stages of residual blocks (He et al. 2016) with layer norm before them, attentive pooling.

    Frames are kept as (batch, time, channels), and a convolution is one product with a matrix: so
    many networks can be run side by side as one batched product (`torch.func.vmap`).
    """

    name = "resnet-1d"
    Options = ResNet1dOptions
    options: ResNet1dOptions

    def __init__(self, options: ResNet1dOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)
        stages: list[nn.Module] = []
        width = features
        for number, (wider, blocks) in enumerate(zip(options.widths, options.blocks, strict=True)):
            stages.append(Convolution(width, wider, kernel=3 if number else 5, stride=2))
            stages += [
                Block(wider, 1 + block % options.dilations, options.dropout)
                for block in range(blocks)
            ]
            width = wider
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(width)
        self.pool = StatisticsPool(width, options.attention)
        self.embed = nn.Linear(2 * width, options.embedding)
        self.head = nn.Linear(options.embedding, classes)

    def hear(self, frames: torch.Tensor) -> Heard:
        """frames: (batch, features, time) -> the embedding, and the frames that it was made of."""
        hidden = self.norm(self.stages(frames.transpose(1, 2)))
        return Heard(self.embed(self.pool(hidden)), hidden)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        logits: torch.Tensor = self.head(self.hear(frames).embedding)
        return logits


class Convolution(nn.Module):
    """A convolution along time: (batch, time, inputs) -> (batch, ceil(time / stride), outputs)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1
    ) -> None:
        """`kernel` is odd; beyond the ends there are zeros."""
        super().__init__()
        self.kernel, self.stride, self.dilation = kernel, stride, dilation
        self.linear = nn.Linear(kernel * inputs, outputs)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Convolve frames as the class says."""
        batch, time, channels = frames.shape
        margin = self.dilation * (self.kernel // 2)
        padded = F.pad(frames, (0, 0, margin, margin))
        taps = [
            padded[:, tap * self.dilation : tap * self.dilation + time : self.stride]
            for tap in range(self.kernel)
        ]
        joined = torch.cat(taps, dim=2)
        mixed: torch.Tensor = self.linear(joined.reshape(-1, self.kernel * channels))
        return mixed.reshape(batch, joined.shape[1], -1)


class Block(nn.Module):
    """A residual block: (batch, time, width) -> the same shape."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.along = Convolution(width, width, kernel=3, dilation=dilation)
        self.mix = Convolution(width, width, kernel=1)
        self.dropout = nn.Dropout(dropout)
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Change frames as the class says."""
        change: torch.Tensor = self.mix(F.gelu(self.along(self.norm(frames))))
        added: torch.Tensor = frames + self.scale * self.dropout(change)
        return added


class StatisticsPool(nn.Module):
    """Attentive statistics pooling: (batch, time, width) -> (batch, 2 * width).

    Each channel has weights of its own (Okabe et al. 2018).
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.narrow, self.widen = Convolution(width, inner, 1), Convolution(inner, width, 1)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Pool frames as the class says."""
        weights = self.widen(self.narrow(frames).tanh()).softmax(dim=1)
        mean = (weights * frames).sum(dim=1)
        variance = (weights * frames.square()).sum(dim=1) - mean.square()
        return torch.cat([mean, variance.clamp_min(1e-4).sqrt()], dim=1)
