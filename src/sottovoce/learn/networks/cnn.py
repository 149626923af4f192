"""A convolutional network over time: the plainest that looks at more than one frame at once."""

import torch

from sottovoce.learn.networks import Network
from sottovoce.learn.networks.parts import (
    ConvolutionOptions,
    DenseDropout,
    DenseWidth,
    Filters,
    Kernels,
    convolutions,
    head,
)


class CNNOptions(ConvolutionOptions):
    """Options of the network `cnn`."""

    filters: Filters = (64, 128, 256)
    kernels: Kernels = (5,)
    dense: DenseWidth = 128
    dense_dropout: DenseDropout = 0.5


class CNN(Network):
    """Blocks of convolution, batch norm, ReLU, max pool; mean over time; a dense layer."""

    name = "cnn"
    Options = CNNOptions

    def __init__(self, options: CNNOptions, features: int, classes: int) -> None:
        super().__init__(options, features, classes)
        self.blocks = convolutions(features, options)
        self.head = head(options.filters[-1], options.dense, options.dense_dropout, classes)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames: (batch, features, time) -> logits: (batch, classes)."""
        logits: torch.Tensor = self.head(self.blocks(frames).mean(dim=2))
        return logits
