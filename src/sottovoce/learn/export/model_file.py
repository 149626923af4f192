"""Turns a trained network into a model file: an ONNX graph, checked against torch, and its card."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sottovoce.errors import ModelError
from sottovoce.learn.export.encoder import write_encoder
from sottovoce.learn.export.graphs import Axes, disagreement, to_fp16, to_graph
from sottovoce.learn.frontends.pretrained import PretrainedFrontEnd
from sottovoce.learn.train.classifier import Classifier
from sottovoce.models.card import Card
from sottovoce.models.model_file import seal
from sottovoce.system import write_atomically

TOLERANCE = 1e-4
"""Largest difference of a probability between torch and the exported graph."""

FP16_TOLERANCE = 5e-3
"""The same where the graph's weights were rounded to half precision afterwards."""


class Calibrated(nn.Module):
    """Waveform to probabilities: softmax(logits / temperature)."""

    def __init__(self, classifier: Classifier, temperature: float) -> None:
        """`temperature` is above 0."""
        super().__init__()
        self.classifier = classifier
        self.temperature = temperature

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """sound: (batch, samples), or what the front end's `raw` gave -> (batch, classes)."""
        logits: torch.Tensor = self.classifier(sound)
        return torch.softmax(logits / self.temperature, dim=1)


def export_model(
    classifier: Classifier,
    card: Card,
    path: Path,
    checks: Sequence[NDArray[np.float32]],
    *,
    fp16: bool = False,
) -> None:
    """Write a model file, whole or not at all.

    Where the front end is a frozen pretrained encoder, the file holds what was trained and no
    more: its graph takes what the encoder gives, and its card says which encoder that is. The
    encoder's own graph is then put into the cache, where `sottovoce.load` looks for it.

    Args:
        classifier: on the CPU or elsewhere; it is moved to the CPU.
        card: of the model; its temperature goes into the graph.
        path: of the file.
        checks: batches (batch, samples) of real audio, of several lengths and sizes, on which the
            graph must agree with torch within `TOLERANCE`.
        fp16: store the weights in half precision; the graph must then still agree with torch within
            `FP16_TOLERANCE`.

    Raises:
        ModelError: the classifier was never trained, or the graph disagrees with torch.
        SottovoceError: a window may be longer than the encoder takes.
    """
    if not (card.corpora and all(member.trained for member in classifier.members)):
        raise ModelError(f"{path}: the model was trained on nothing; train it, then export it")
    frontend = classifier.frontend
    model = Calibrated(classifier.cpu(), card.calibration.temperature).eval()
    if isinstance(frontend, PretrainedFrontEnd):
        frontend.check_length(round(card.window.max * card.sample_rate))
        card = card.model_copy(update={"encoder": frontend.encoder})
    graph = to_onnx(model, card)
    given = [torch.from_numpy(batch) for batch in checks]
    if card.encoder is not None:
        with torch.inference_mode():
            given = [frontend.raw(waveform) for waveform in given]
    _agree(path, model, graph, given, TOLERANCE)
    if fp16:
        graph = to_fp16(graph, [buffer.numpy() for buffer in frontend.buffers()])
        _agree(path, model, graph, given, FP16_TOLERANCE, " with weights in half precision")
    if isinstance(frontend, PretrainedFrontEnd) and frontend.frozen and frontend.encoder:
        write_encoder(frontend.frozen, frontend.encoder)
    write_atomically(path, seal(graph, card.to_json()))


def _agree(
    path: Path,
    model: Calibrated,
    graph: bytes,
    given: Sequence[torch.Tensor],
    tolerance: float,
    how: str = "",
) -> None:
    worst = disagreement(model, graph, [(sound,) for sound in given])
    if not worst <= tolerance:
        raise ModelError(
            f"{path}: the exported graph{how} differs from torch by {worst:.1e} in a probability; "
            f"expected at most {tolerance:.0e}; nothing was written"
        )


def to_onnx(model: Calibrated, card: Card) -> bytes:
    """Give the serialised graph, for any batch and any length from the window's shortest on."""
    shortest = max(1, round(card.window.min * card.sample_rate))
    longest = round(card.window.max * card.sample_rate)
    example = torch.zeros(2, min(longest, 4 * shortest))
    axes: Axes = {0: torch.export.Dim("batch", min=1)}
    input_name = "waveform"
    if card.encoder is None:
        axes[1] = torch.export.Dim("samples", min=shortest)
    else:
        input_name = "encoded"
        with torch.inference_mode():
            example = torch.zeros_like(model.classifier.frontend.raw(example))
        if card.encoder.pooling == "none":
            axes[2] = torch.export.Dim("frames", min=1)
    return to_graph(model, {input_name: (example, axes)}, ["probabilities"])
