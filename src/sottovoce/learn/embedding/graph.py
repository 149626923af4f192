"""Exports a model that takes profiles: sound, baseline and kind to probabilities and embedding."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sottovoce.errors import ModelError
from sottovoce.learn.embedding.calibrate import Confidence
from sottovoce.learn.embedding.classifiers import Classifiers
from sottovoce.learn.export.graphs import Axes, disagreement, to_fp16, to_graph
from sottovoce.learn.export.model_file import FP16_TOLERANCE
from sottovoce.models.card import Card
from sottovoce.models.model_file import seal
from sottovoce.system import write_atomically


class Affine(nn.Module):
    """x @ weights + offset: the principal components of standardised features as one product."""

    weights: torch.Tensor
    offset: torch.Tensor

    def __init__(self, weights: torch.Tensor, offset: torch.Tensor) -> None:
        """weights: (inputs, outputs), offset: (outputs,)."""
        super().__init__()
        self.register_buffer("weights", weights.contiguous())
        self.register_buffer("offset", offset)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, inputs) -> (batch, outputs)."""
        return inputs @ self.weights + self.offset


class ProfiledModel(nn.Module):
    """An embedding, less its baseline, to the probabilities of the classifier of its kind.

    The temperature rises with how unlike the training clips a clip is; see `Temperature`.
    """

    heads: torch.Tensor
    intercepts: torch.Tensor
    temperatures: torch.Tensor
    slopes: torch.Tensor

    def __init__(self, embed: nn.Module, classifiers: Classifiers, confidence: Confidence) -> None:
        """`embed`: what the graph takes -> (batch, size)."""
        super().__init__()
        self.embed, self.confidence = embed, confidence
        self.register_buffer("heads", classifiers.weights[:, :-1].clone())
        self.register_buffer("intercepts", classifiers.weights[:, -1].clone())
        usual, slopes = zip(*confidence.temperatures, strict=True)
        self.register_buffer("temperatures", torch.tensor(usual))
        self.register_buffer("slopes", torch.tensor(slopes))

    def forward(
        self, sound: torch.Tensor, baseline: torch.Tensor, kind: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """sound, (batch, size), (batch,) int64 -> (batch, classes), (batch, size)."""
        embedding = self.embed(sound)
        used = (kind > 0).to(embedding.dtype)[:, None]
        centred = embedding - baseline * used
        logits = torch.bmm(centred[:, None], self.heads[kind])[:, 0] + self.intercepts[kind]
        rise = self.slopes[kind] * (self.confidence.distance(embedding) - 1)
        temperature = self.temperatures[kind] * rise.exp()
        return torch.softmax(logits / temperature[:, None], dim=1), embedding


def export_profiled(
    model: ProfiledModel,
    card: Card,
    path: Path,
    sound: Callable[[NDArray[np.float32]], torch.Tensor],
    checks: Sequence[NDArray[np.float32]],
) -> None:
    """Write the model file, whole or not at all, its weights in half precision.

    Args:
        model: on the processor, in eval mode.
        card: of the model, with `profiles`.
        path: of the file.
        sound: a batch of waveforms -> what the graph takes; the encoder's output where it has one.
        checks: batches (batch, samples) of real audio on which the graph must agree with torch.

    Raises:
        ModelError: it does not.
    """
    encoded = card.encoder is not None
    shortest = max(1, round(card.window.min * card.sample_rate))
    batch = torch.export.Dim("batch", min=1)
    axes: Axes = {0: batch}
    if not encoded:
        axes[1] = torch.export.Dim("samples", min=shortest)
    size = card.profiles.dimensions if card.profiles else 0
    example = sound(checks[-1][:2])
    graph = to_graph(
        model,
        {
            "encoded" if encoded else "waveform": (example, axes),
            "baseline": (torch.zeros(2, size), {0: batch}),
            "kind": (torch.tensor([0, 2]), {0: batch}),
        },
        ["probabilities", "embedding"],
    )
    exact = [buffer.numpy() for key, buffer in model.named_buffers() if "frontend" in key]
    graph = to_fp16(graph, exact)
    generator = torch.Generator().manual_seed(0)
    given = [
        (
            sound(waveform),
            0.3 * torch.randn(len(waveform), size, generator=generator),
            torch.arange(len(waveform)) % 3,
        )
        for waveform in checks
    ]
    worst = disagreement(model, graph, given)
    if not worst <= FP16_TOLERANCE:
        raise ModelError(
            f"{path}: the exported graph differs from torch by {worst:.1e} in a probability; "
            f"expected at most {FP16_TOLERANCE:.0e}; nothing was written"
        )
    write_atomically(path, seal(graph, card.to_json()))
