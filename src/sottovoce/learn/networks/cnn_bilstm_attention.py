"""Convolutions, a bidirectional LSTM, and self-attention over what it heard."""

from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field, StrictFloat, StrictInt, field_validator, model_validator
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import (
    Kernels,
    Recurrent,
    Sizes,
    check_pairs,
    convolutions,
    head,
    odd,
)
from sottovoce.options import StrictModel


class CNNBiLSTMAttentionOptions(StrictModel):
    """Options of the network `cnn-bilstm-attention`."""

    filters: Sizes = Field(
        (128, 256, 512, 512),
        min_length=1,
        max_length=8,
        description="Channels of each convolution.",
    )
    kernels: Kernels = Field(
        (3,), min_length=1, description="Frames each convolution spans, or all of them; odd."
    )
    pool: StrictInt = Field(
        2, ge=1, le=8, description="Frames that become one after a convolution."
    )
    conv_dropout: StrictFloat = Field(
        0.2, ge=0, lt=1, description="Dropout after each convolution."
    )
    units: Sizes = Field(
        (128,), min_length=1, max_length=8, description="Units of each LSTM, per direction."
    )
    lstm_dropout: StrictFloat = Field(0.3, ge=0, lt=1, description="Dropout after each LSTM.")
    heads: StrictInt = Field(
        4, ge=1, le=64, description="Heads of the attention; they share twice the last `units`."
    )
    dense: StrictInt = Field(128, ge=1, le=2048, description="Width of the dense layer.")
    dense_dropout: StrictFloat = Field(
        0.4, ge=0, lt=1, description="Dropout after the dense layer."
    )

    _odd = field_validator("kernels")(odd)

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        check_pairs(self.kernels, self.filters)
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
        """See `CNNBiLSTMAttentionOptions`."""
        super().__init__(options, features, classes)
        filters = options.filters
        self.blocks = convolutions(
            features, filters, options.kernels, options.pool, options.conv_dropout
        )
        self.recurrent = Recurrent(nn.LSTM, filters[-1], options.units, options.lstm_dropout)
        self.attention = SelfAttention(self.recurrent.width, options.heads)
        self.head = head(self.recurrent.width, options.dense, options.dense_dropout, classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        heard = self.recurrent(self.blocks(frames).transpose(1, 2))
        logits: torch.Tensor = self.head(self.attention(heard).mean(dim=1))
        return logits


class SelfAttention(nn.Module):
    """Each frame looks at all frames, in several ways at once (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        """`heads` divides `width`."""
        super().__init__()
        self.heads = heads
        self.take = nn.Linear(width, 3 * width)
        self.give = nn.Linear(width, width)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """sequence: (batch, time, width) -> the same shape."""
        parts = self.take(sequence).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (batch, heads, time, width / heads)
        looked = F.scaled_dot_product_attention(query, key, value)
        given: torch.Tensor = self.give(looked.transpose(1, 2).flatten(2))
        return given
