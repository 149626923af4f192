"""Parts of several networks: convolution blocks, recurrent layers, pooling, the head."""

import itertools
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Annotated, Literal, Self, cast

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import AfterValidator, Field, StrictFloat, StrictInt, model_validator
from torch import nn

from sottovoce.options import StrictModel

Cell = type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]
"""The kind of a recurrent layer."""

Pooling = Literal["last", "mean", "attention"]
"""How a sequence becomes one vector."""


def odd(kernels: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """Check one kernel or several: an even one has no middle. Raises ValueError."""
    if isinstance(kernels, int):
        if kernels % 2 == 0:
            raise ValueError("should be odd")
    elif any(kernel % 2 == 0 for kernel in kernels):
        raise ValueError("should be odd numbers")
    return kernels


# Options that several networks have; each network gives its own defaults.
Sizes = tuple[Annotated[StrictInt, Field(ge=1, le=2048)], ...]
Filters = Annotated[
    Sizes, Field(min_length=1, max_length=8, description="Channels of each convolution.")
]
Kernels = Annotated[
    tuple[Annotated[StrictInt, Field(ge=1, le=31)], ...],
    AfterValidator(odd),
    Field(min_length=1, description="Frames each convolution spans, or all of them; odd."),
]
PooledFrames = Annotated[
    StrictInt, Field(ge=1, le=8, description="Frames that become one after a convolution.")
]
ConvolutionDropout = Annotated[
    StrictFloat, Field(ge=0, lt=1, description="Dropout after each convolution.")
]
Units = Annotated[
    Sizes, Field(min_length=1, max_length=8, description="Units of each LSTM, per direction.")
]
Bidirectional = Annotated[bool, Field(strict=True, description="Hear the clip backwards as well.")]
LSTMDropout = Annotated[StrictFloat, Field(ge=0, lt=1, description="Dropout after each LSTM.")]
SequencePooling = Annotated[
    Pooling,
    Field(
        description="How the sequence becomes one vector. last: each direction's state when it "
        "has heard all. mean: over time. attention: a mean with learned weights."
    ),
]
DenseWidth = Annotated[StrictInt, Field(ge=1, le=2048, description="Width of the dense layer.")]
DenseDropout = Annotated[
    StrictFloat, Field(ge=0, lt=1, description="Dropout after the dense layer.")
]


class ConvolutionOptions(StrictModel):
    """Options of networks that begin with `convolutions`."""

    filters: Filters
    kernels: Kernels
    pool: PooledFrames = 2
    conv_dropout: ConvolutionDropout = 0.3

    @model_validator(mode="after")
    def _kernel_for_each_convolution(self) -> Self:
        if len(self.kernels) not in (1, len(self.filters)):
            raise ValueError(
                f"kernels: found {len(self.kernels)} of them for {len(self.filters)} filters; "
                "give one for each, or one for all"
            )
        return self


def convolutions(channels: int, options: ConvolutionOptions) -> nn.Sequential:
    """Blocks of convolution over time, batch norm, ReLU, max pool and dropout.

    Maps (batch, channels, time) to (batch, filters[-1], shorter time); any length will do. ReLU
    comes after pooling, which gives the same in less time.
    """
    layers: list[nn.Module] = []
    for width, kernel in zip(options.filters, itertools.cycle(options.kernels), strict=False):
        layers += [
            nn.Conv1d(channels, width, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm1d(width),
            Pool(1, options.pool),
            nn.ReLU(),
            nn.Dropout(options.conv_dropout),
        ]
        channels = width
    return nn.Sequential(*layers)


def as_picture(frames: torch.Tensor) -> torch.Tensor:
    """frames: (batch, features, time) -> pictures of one channel: (batch, 1, features, time).

    In memory channels come last, which convolutions keep, and which is quicker on CPUs. In export
    they do not: the exporter would then restrict the length.
    """
    if torch.onnx.is_in_onnx_export():
        return frames[:, None]
    return frames[..., None].permute(0, 3, 1, 2)


class Pool(nn.Module):
    """Max pool, of whatever is left at the end as well: any size will do. ReLU should come next.

    That is `ceil_mode`, with which the exporter would fix the length; there zeros do the same.
    """

    def __init__(self, rows: int, frames: int) -> None:
        """`rows` times `frames` values become one."""
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
        widths = [values, *(directions * size for size in units)]
        self.layers = nn.ModuleList(
            cell(width, size, batch_first=True, bidirectional=bidirectional)
            for width, size in zip(widths, units, strict=False)
        )
        self.dropout = nn.Dropout(dropout)
        self.units, self.width = units[-1], widths[-1]

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """sequence: (batch, time, values) -> (batch, time, width)."""
        exporting = torch.onnx.is_in_onnx_export()
        for layer in cast(Iterable[nn.RNNBase], self.layers):
            states = onnx_operator(layer, sequence) if exporting else layer(sequence)[0]
            sequence = self.dropout(states)
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
        [torch.cat([values.chunk(len(order))[gate] for gate in order]) for values in weights]
        for weights in layer.all_weights
    ]
    weight, recurrent, bias, recurrent_bias = map(torch.stack, zip(*directions, strict=True))
    (batch, time, _), count = sequence.shape, len(directions)
    states = torch.onnx.ops.symbolic(
        operator,
        (sequence.transpose(0, 1), weight, recurrent, torch.cat([bias, recurrent_bias], dim=1)),
        {
            "hidden_size": layer.hidden_size,
            "direction": "bidirectional" if layer.bidirectional else "forward",
            **({"linear_before_reset": 1} if operator == "GRU" else {}),
        },
        dtype=sequence.dtype,
        shape=(time, count, batch, layer.hidden_size),
    )
    return states.permute(2, 0, 1, 3).flatten(2)


class TemporalPooling(nn.Module):
    """Makes one vector of what recurrent layers give of a whole sequence.

    "last" is the state of each direction at the end of its run, which is at the last frame
    forwards, and at the first backwards.
    """

    def __init__(self, pooling: Pooling, recurrent: Recurrent) -> None:
        super().__init__()
        self.pooling, self.units = pooling, recurrent.units
        self.score = nn.Linear(recurrent.width, 1) if pooling == "attention" else None

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """sequence: (batch, time, width) -> (batch, width)."""
        if self.pooling == "last":
            return torch.cat([sequence[:, -1, : self.units], sequence[:, 0, self.units :]], dim=1)
        if self.score is None:
            return sequence.mean(dim=1)
        weights = torch.softmax(self.score(sequence), dim=1)
        return (weights * sequence).sum(dim=1)
