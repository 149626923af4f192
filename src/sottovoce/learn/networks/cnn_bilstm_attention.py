"""Convolutions, a bidirectional LSTM, and self-attention over its states."""

from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field, StrictInt, model_validator
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import (
    ConvolutionDropout,
    ConvolutionOptions,
    DenseDropout,
    DenseWidth,
    Filters,
    Kernels,
    LSTMDropout,
    Recurrent,
    Units,
    convolutions,
    head,
)


class CNNBiLSTMAttentionOptions(ConvolutionOptions):
    """Options of the network `cnn-bilstm-attention`."""

    filters: Filters = (128, 256, 512, 512)
    kernels: Kernels = (3,)
    conv_dropout: ConvolutionDropout = 0.2
    units: Units = (128,)
    lstm_dropout: LSTMDropout = 0.3
    heads: StrictInt = Field(
        4, ge=1, le=64, description="Heads of the attention; they share twice the last `units`."
    )
    dense: DenseWidth = 128
    dense_dropout: DenseDropout = 0.4

    @model_validator(mode="after")
    def _heads_divide_the_units(self) -> Self:
        if 2 * self.units[-1] % self.heads:
            raise ValueError(
                f"heads: found {self.heads}; should divide {2 * self.units[-1]}, twice the last "
                "of units"
            )
        return self


class CNNBiLSTMAttention(Network):
    """Blocks of convolution; bidirectional LSTMs; self-attention; mean over time; a dense layer."""

    name = "cnn-bilstm-attention"
    Options = CNNBiLSTMAttentionOptions

    def __init__(self, options: CNNBiLSTMAttentionOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)
        self.blocks = convolutions(features, options)
        self.recurrent = Recurrent(
            nn.LSTM, options.filters[-1], options.units, options.lstm_dropout
        )
        self.attention = SelfAttention(self.recurrent.width, options.heads)
        self.head = head(self.recurrent.width, options.dense, options.dense_dropout, classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        states = self.recurrent(self.blocks(frames).transpose(1, 2))
        logits: torch.Tensor = self.head(self.attention(states).mean(dim=1))
        return logits


class SelfAttention(nn.Module):
    """Each frame looks at all frames, in several ways at once (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        """`heads` divides `width`."""
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """sequence: (batch, time, width) -> the same shape."""
        parts = self.to_qkv(sequence).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (batch, heads, time, width / heads)
        attended = F.scaled_dot_product_attention(query, key, value)
        projected: torch.Tensor = self.project(attended.transpose(1, 2).flatten(2))
        return projected
