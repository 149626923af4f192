"""Front ends: waveform to features, as torch modules that are exported with the network."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import nn

from sottovoce.options import StrictModel

FEATURES_VERSION = 2
"""To be raised whenever a front end gives other values for the same options, clips are cut into
other pieces, or the files of `FeatureStore` change: features that were cached before are then not
used again. A new front end or option needs no new version."""


class FrontEnd(nn.Module):
    """Turns a batch of waveforms into a batch of feature sequences.

    A front end is one file in this package: a subclass with a `name`, which recipes use, and an
    `Options` model, which documents and checks its keys in the table `[frontend]`. It must survive
    export to ONNX, for any batch size and any length.

    Attributes:
        features: number of values per frame that `forward` gives.
        centres: (features,) Hz, rising, where the values of a frame are an axis of frequency;
            else None.
        identity: what its values follow from beside its options and `FEATURES_VERSION`, such as
            the digest of weights that it reads.
        exportable: whether a model file can hold it.
    """

    name: ClassVar[str]
    Options: ClassVar[type[StrictModel]]
    exportable: ClassVar[bool] = True
    features: int
    centres: torch.Tensor | None
    identity: str = ""

    def __init__(self, options: StrictModel, sample_rate: int) -> None:
        """Keep the sample rate (Hz) of the waveforms; `options` is an instance of `Options`."""
        super().__init__()
        self.options = options
        self.sample_rate = sample_rate
        self.register_buffer("centres", None, persistent=False)

    @abstractmethod
    def raw(self, waveform: torch.Tensor) -> torch.Tensor:
        """Give the features as they are before anything learned or normalised is done to them.

        waveform: (batch, samples), -1..1 -> (batch, features, time). This is the slow part, and
        the same for a clip whoever is trained on: the cache of features holds what it gives.
        """

    def normalised(self, values: torch.Tensor) -> torch.Tensor:
        """Turn what `raw` gives into what the network is given; the same shape."""
        return values

    def fit(self, values: Iterable[torch.Tensor]) -> None:
        """Learn what the features are like before training, where a front end needs that.

        values: batches of what `raw` gives of whole clips of the training speakers, never of
        those of validation or test. Most front ends have nothing to learn, and read nothing.
        """

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples), -1..1 -> (batch, features, time)."""
        return self.normalised(self.raw(waveform))
