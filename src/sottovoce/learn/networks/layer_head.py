"""A small head on a pretrained encoder: learned weights of its layers, and a linear layer."""

import torch
from pydantic import Field
from torch import nn

from sottovoce.learn.networks import Network
from sottovoce.options import StrictModel


class LayerHeadOptions(StrictModel):
    """Options of the network `layer-head`."""

    hidden: int = Field(
        0, ge=0, le=4096, description="Width of a layer in between; 0: there is none."
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Dropout before each linear layer.")


class LayerHead(Network):
    """The weighted mean over an encoder's layers, standardised, to logits.

    The weights are a softmax (Peters et al. 2018, as in SUPERB, Yang et al. 2021), equal at first;
    each feature has mean 0 and variance 1 over the training clips. Of a sequence the mean over time
    is taken. On a front end that has no layers it is a standardised linear classifier.
    """

    name = "layer-head"
    Options = LayerHeadOptions

    def __init__(self, options: LayerHeadOptions, features: int, classes: int) -> None:
        """See `LayerHeadOptions`; `features` may be a `LayerFeatures` number."""
        super().__init__(options, int(features), classes)
        self.layers: int = getattr(features, "layers", 1)
        self.scale = nn.BatchNorm1d(self.features, affine=False)
        self.weights = nn.Parameter(torch.zeros(self.layers))
        width, modules = self.features // self.layers, []
        if options.hidden:
            modules += [nn.Dropout(options.dropout), nn.Linear(width, options.hidden), nn.GELU()]
            width = options.hidden
        self.head = nn.Sequential(*modules, nn.Dropout(options.dropout), nn.Linear(width, classes))

    @property
    def trained(self) -> bool:
        """Whether it has seen a training batch."""
        return bool(self.scale.num_batches_tracked)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        means = self.scale(frames).mean(dim=2).reshape(frames.shape[0], self.layers, -1)
        logits: torch.Tensor = self.head((means * self.weights.softmax(0)[:, None]).sum(dim=1))
        return logits
