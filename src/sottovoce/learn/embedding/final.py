"""The model that is given away: embedding, classifiers and confidence as one graph, its card."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from sottovoce.learn.corpora import Clip, is_known_speaker, licence
from sottovoce.learn.embedding.calibrate import Confidence
from sottovoce.learn.embedding.classifiers import Classifiers, Prior
from sottovoce.learn.embedding.graph import Affine
from sottovoce.learn.embedding.measure import START
from sottovoce.learn.embedding.teacher import Basis
from sottovoce.learn.frontends.logmel import LogMel
from sottovoce.learn.networks.resnet1d import ResNet1d
from sottovoce.models.card import CorpusInfo, ProfileInfo, ProfileKind, speaker_hash


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


def confidence_of(
    embedding: torch.Tensor, temperatures: Sequence[float], slope: float
) -> Confidence:
    """The confidence of a model whose training clips have these embeddings: (clips, size)."""
    none, normal, mixed = temperatures
    return Confidence(
        (none, normal, mixed), slope, START, embedding.mean(dim=0), embedding.std(dim=0)
    )


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


def corpora_of(clips: Sequence[Clip]) -> tuple[CorpusInfo, ...]:
    """The corpora of the clips, as a card names them."""
    found = []
    for corpus in dict.fromkeys(clip.corpus for clip in clips):
        own = [clip for clip in clips if clip.corpus == corpus]
        speakers = {clip.speaker for clip in own if is_known_speaker(clip.speaker)}
        found.append(
            CorpusInfo(
                name=corpus,
                clips=len(own),
                speakers=len(speakers),
                speaker_hashes=tuple(sorted(map(speaker_hash, speakers))),
                licence=licence(corpus),
            )
        )
    return tuple(found)


def today() -> str:
    """The day, as an ISO date."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _numbers(values: torch.Tensor) -> tuple[float, ...]:
    """Numbers of five digits: a card need not be longer."""
    return tuple(float(f"{value:.5g}") for value in values.tolist())
