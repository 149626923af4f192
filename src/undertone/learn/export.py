"""Turns a trained network into a model file: an ONNX graph, checked against torch, and its card."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from undertone.card import Card
from undertone.errors import ModelError
from undertone.learn.classifier import Classifier
from undertone.learn.half import halve
from undertone.learn.quiet import quiet
from undertone.model_file import seal

OPSET = 18
"""Version of ONNX's operators."""

TOLERANCE = 1e-4
"""Largest difference of a probability between torch and the exported graph."""

HALF_TOLERANCE = 5e-3
"""The same where the graph's weights were rounded to half precision afterwards."""


class Calibrated(nn.Module):
    """Waveform to probabilities: softmax(logits / temperature)."""

    def __init__(self, classifier: Classifier, temperature: float) -> None:
        """`temperature` is above 0."""
        super().__init__()
        self.classifier = classifier
        self.temperature = temperature

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """waveform: (batch, samples) -> probabilities: (batch, classes)."""
        logits: torch.Tensor = self.classifier(waveform)
        return torch.softmax(logits / self.temperature, dim=1)


def export_model(
    classifier: Classifier,
    card: Card,
    path: Path,
    checks: Sequence[NDArray[np.float32]],
    *,
    half: bool = False,
) -> None:
    """Write a model file, whole or not at all.

    Args:
        classifier: on the CPU or elsewhere; it is moved to the CPU.
        card: of the model; its temperature goes into the graph.
        path: of the file.
        checks: batches (batch, samples) of real audio, of several lengths and sizes, on which the
            graph must agree with torch within `TOLERANCE`.
        half: store the weights in half precision; the graph must then still agree with torch within
            `HALF_TOLERANCE`.

    Raises:
        ModelError: the graph disagrees with torch.
    """
    model = Calibrated(classifier.cpu(), card.calibration.temperature).eval()
    graph = to_onnx(model, card)
    _agree(path, model, graph, checks, TOLERANCE)
    if half:
        graph = halve(graph, [each.numpy() for each in classifier.frontend.buffers()])
        _agree(path, model, graph, checks, HALF_TOLERANCE, " with weights in half precision")
    content = seal(graph, card.to_json())
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(draft).chmod(0o644)
        Path(draft).replace(path)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise


def _agree(
    path: Path,
    model: Calibrated,
    graph: bytes,
    checks: Sequence[NDArray[np.float32]],
    tolerance: float,
    how: str = "",
) -> None:
    worst = disagreement(model, graph, checks)
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
    shapes = ({0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("samples", min=shortest)},)
    with quiet("torch.onnx", "onnxscript", "onnx_ir"):
        program = torch.onnx.export(
            model,
            (example,),
            input_names=["waveform"],
            output_names=["probabilities"],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ModelError("torch gave no ONNX graph")
    proto = program.model_proto
    for entries in (proto.metadata_props, *(node.metadata_props for node in proto.graph.node)):
        del entries[:]  # where in this machine's source files each node came from
    content: bytes = proto.SerializeToString()
    return content


def disagreement(model: Calibrated, graph: bytes, checks: Sequence[NDArray[np.float32]]) -> float:
    """Give the largest difference of a probability between torch and ONNX Runtime."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch in checks:
        (found,) = session.run(["probabilities"], {"waveform": batch})
        with torch.inference_mode():
            expected = model(torch.from_numpy(batch)).numpy()
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst
