"""The model that is given away: embedding, classifiers and confidence as one graph, its card."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from sottovoce.learn.embedding.classifiers import Classifiers, Prior
from sottovoce.learn.embedding.graph import Affine
from sottovoce.learn.embedding.teacher import Basis
from sottovoce.learn.frontends.logmel import LogMel
from sottovoce.learn.networks.resnet1d import ResNet1d
from sottovoce.models.card import ProfileInfo, ProfileKind


class SoundToEmbedding(nn.Module):
    """Waveform (batch, samples) to the embedding of a student, in the basis of its classifiers."""

    def __init__(self, frontend: LogMel, network: ResNet1d, affine: Affine) -> None:
        """`affine` becomes part of the network's last layer; the network's head is taken off."""
        super().__init__()
        last = network.embed
        merged = nn.Linear(last.in_features, len(affine.offset))
        with torch.no_grad():
            merged.weight.copy_(affine.weights.T @ last.weight)
            merged.bias.copy_(affine(last.bias[None])[0])
        network.embed, network.head = merged, nn.Linear(1, 1)
        self.frontend, self.network = frontend, network

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """(batch, samples) -> (batch, size)."""
        return self.network.hear(self.frontend(waveform)).embedding


class EncodedToEmbedding(nn.Module):
    """What an encoder gives, (batch, features, 1), to an embedding."""

    def __init__(self, affine: Affine) -> None:
        super().__init__()
        self.affine = affine

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        """(batch, features, 1) -> (batch, size)."""
        embedding: torch.Tensor = self.affine(encoded[:, :, 0])
        return embedding


def affine_of(basis: Basis, whitening: float, scale: float) -> Affine:
    """`basis.project(x, whitening) / scale` as one product."""
    weights = basis.components / basis.scale[:, None]
    weights = weights / basis.variances.pow(whitening / 2) / scale
    return Affine(weights.float(), (-basis.mean @ weights).float())


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Confidences below which an answer is uncertain, by kind."""

    none: float
    normal: float
    mixed: float


def profile_info(
    classifiers: Classifiers, thresholds: Thresholds, spreads: Mapping[str, tuple[float, float]]
) -> ProfileInfo:
    """What the card says of profiles; `spreads` is what `measure.usual_spreads` gives."""

    def kind(prior: Prior, name: str, least: float) -> ProfileKind:
        return ProfileKind(
            centre=_numbers(prior.centre),
            shrinkage=_numbers(prior.shrinkage),
            min_confidence=least,
            spread=spreads[name],
        )

    return ProfileInfo(
        dimensions=len(classifiers.normal.centre),
        normal=kind(classifiers.normal, "normal", thresholds.normal),
        mixed=kind(classifiers.mixed, "mixed", thresholds.mixed),
    )


def _numbers(values: torch.Tensor) -> tuple[float, ...]:
    """Numbers of five digits: a card need not be longer."""
    return tuple(float(f"{value:.5g}") for value in values.tolist())
