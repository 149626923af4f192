"""What several networks are made of: convolution blocks, recurrent layers, summaries, the head."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field, StrictInt
from torch import nn

Sizes = tuple[Annotated[StrictInt, Field(ge=1, le=2048)], ...]
"""Channels or units of each of several layers."""

Kernels = tuple[Annotated[StrictInt, Field(ge=1, le=31)], ...]
"""What each of several convolutions spans, or all of them if it is one number."""

Cell = type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]
"""The kind of a recurrent layer."""

How = Literal["last", "mean", "attention"]
"""How a sequence becomes one vector."""


def odd(kernels: Kernels) -> Kernels:
    """Check kernels: an even one has no middle. Raises ValueError."""
    if any(kernel % 2 == 0 for kernel in kernels):
        raise ValueError("should be odd numbers")
    return kernels


def check_pairs(kernels: Sequence[int], filters: Sequence[int]) -> None:
    """Check that there is one kernel for each convolution, or one for all. Raises ValueError."""
    if len(kernels) not in (1, len(filters)):
        raise ValueError(
            f"kernels: found {len(kernels)} of them for {len(filters)} filters; "
            "give one for each, or one for all"
        )


def convolutions(
    channels: int, filters: Sequence[int], kernels: Sequence[int], pool: int, dropout: float
) -> nn.Sequential:
    """Blocks of convolution over time, batch norm, ReLU, max pool and dropout.

    Maps (batch, channels, time) to (batch, filters[-1], shorter time); any length will do. ReLU
    comes after pooling, which gives the same in less time.
    """
    if len(kernels) == 1:
        kernels = [*kernels] * len(filters)
    layers: list[nn.Module] = []
    for width, kernel in zip(filters, kernels, strict=True):
        layers += [
            nn.Conv1d(channels, width, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(width),
            Pool(1, pool),
            nn.ReLU(),
            nn.Dropout(dropout),
        ]
        channels = width
    return nn.Sequential(*layers)


def as_picture(frames: torch.Tensor) -> torch.Tensor:
    """frames: (batch, features, time) -> pictures of one channel: (batch, 1, features, time).

    They say of their layout in memory that channels come last, and so will what convolutions make
    of them, which is quicker on CPUs. The exporter would ask too much of the length then.
    """
    if torch.onnx.is_in_onnx_export():
        return frames[:, None]
    return frames[..., None].permute(0, 3, 1, 2)


class Pool(nn.Module):
    """Max pool, of whatever is left at the end as well: any size will do. ReLU should come next.

    That is `ceil_mode`, with which the exporter would fix the length; there zeros do the same.
    """

    def __init__(self, rows: int, frames: int) -> None:
        """So many rows and frames become one."""
        super().__init__()
        self.size = rows, frames

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """picture: (..., rows, time), of 3 or 4 dimensions -> smaller by `size`, rounded up."""
        if torch.onnx.is_in_onnx_export():
            rows, frames = self.size
            return F.max_pool2d(F.pad(picture, (0, frames - 1, 0, rows - 1)), self.size)
        return F.max_pool2d(picture, self.size, ceil_mode=True)


def head(values: int, dense: int, dropout: float, classes: int) -> nn.Sequential:
    """A dense layer with ReLU, dropout, and the logits: (batch, values) to (batch, classes)."""
    return nn.Sequential(
        nn.Linear(values, dense), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dense, classes)
    )


class Recurrent(nn.Module):
    """Recurrent layers, with dropout after each.

    Attributes:
        units: of the last layer, per direction.
        width: number of values per frame that come out: those of both directions.
    """

    def __init__(
        self,
        cell: Cell,
        values: int,
        units: Sequence[int],
        dropout: float,
        bidirectional: bool = True,
    ) -> None:
        """`values` per frame come in; `units` are of each layer, per direction."""
        super().__init__()
        directions = 2 if bidirectional else 1
        widths = [values, *(directions * each for each in units)]
        self.layers = nn.ModuleList(
            cell(width, each, batch_first=True, bidirectional=bidirectional)
            for width, each in zip(widths, units, strict=False)
        )
        self.dropout = nn.Dropout(dropout)
        self.units, self.width = units[-1], widths[-1]

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """sequence: (batch, time, values) -> (batch, time, width)."""
        exporting = torch.onnx.is_in_onnx_export()
        for layer in cast(Iterable[nn.RNNBase], self.layers):
            heard = onnx_operator(layer, sequence) if exporting else layer(sequence)[0]
            sequence = self.dropout(heard)
        return sequence


# What ONNX calls a recurrent layer, and where in torch's order its gates are: torch has input,
# forget, cell, output; ONNX input, output, forget, cell. GRU: reset, update, new; update first.
OPERATORS = MappingProxyType(
    {"RNN_TANH": ("RNN", (0,)), "LSTM": ("LSTM", (0, 3, 1, 2)), "GRU": ("GRU", (1, 0, 2))}
)


def onnx_operator(layer: nn.RNNBase, sequence: torch.Tensor) -> torch.Tensor:
    """Give what a recurrent layer gives, as ONNX's own operator; only works in export.

    sequence: (batch, time, values) -> (batch, time, directions * units). Torch's exporter unrolls
    an RNN over the frames of its example, fails on a GRU, and fixes the length of some LSTMs.
    """
    operator, order = OPERATORS[layer.mode]
    directions = [
        [torch.cat([weight.chunk(len(order))[gate] for gate in order]) for weight in weights]
        for weights in layer.all_weights
    ]
    into, again, bias_in, bias_again = map(torch.stack, zip(*directions, strict=True))
    (batch, time, _), count = sequence.shape, len(directions)
    heard = torch.onnx.ops.symbolic(
        operator,
        (sequence.transpose(0, 1), into, again, torch.cat([bias_in, bias_again], dim=1)),
        {
            "hidden_size": layer.hidden_size,
            "direction": "bidirectional" if layer.bidirectional else "forward",
            **({"linear_before_reset": 1} if operator == "GRU" else {}),
        },
        dtype=sequence.dtype,
        shape=(time, count, batch, layer.hidden_size),
    )
    return heard.permute(2, 0, 1, 3).flatten(2)


class Summary(nn.Module):
    """What bidirectional or forward layers say of a whole sequence, as one vector.

    "last" is the state of each direction when it has heard all, which is at the last frame
    forwards, and at the first backwards.
    """

    def __init__(self, how: How, recurrent: Recurrent) -> None:
        """`recurrent` gives the sequences."""
        super().__init__()
        self.how, self.units = how, recurrent.units
        self.score = nn.Linear(recurrent.width, 1) if how == "attention" else None

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """sequence: (batch, time, width) -> (batch, width)."""
        if self.how == "last":
            return torch.cat([sequence[:, -1, : self.units], sequence[:, 0, self.units :]], dim=1)
        if self.score is None:
            return sequence.mean(dim=1)
        weights = torch.softmax(self.score(sequence), dim=1)
        return (weights * sequence).sum(dim=1)
