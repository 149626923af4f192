"""Networks: feature sequences of any length to one logit for each emotion, as torch modules."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import nn

from sottovoce.options import StrictModel


class Network(nn.Module):
    """Turns a batch of feature sequences into logits.

    A network is one file in this package: a subclass with a `name`, which recipes use, and an
    `Options` model, which documents and checks its keys in the table `[network]`. It must survive
    export to ONNX, for any batch size and any number of frames.
    """

    name: ClassVar[str]
    Options: ClassVar[type[StrictModel]]

    def __init__(self, options: StrictModel, features: int, classes: int) -> None:
        """Keep the sizes of input and output; `options` is an instance of `Options`."""
        super().__init__()
        self.options = options
        self.features = features
        self.classes = classes

    @property
    def trained(self) -> bool:
        """Whether it has learned anything, where it can tell; an untrained one is not exported."""
        return True

    @abstractmethod
    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""


class Fitted(Network):
    """A classifier that is fitted to all training clips in one go, rather than in steps.

    Afterwards it is a network like any other: what it learned are its buffers, and `forward` is
    torch. Before, `forward` raises.
    """

    @abstractmethod
    def fit(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], seed: int) -> None:
        """Learn from batches of frames (batch, features, time) and targets (batch,), int64.

        `seed` settles whatever is random.
        """
