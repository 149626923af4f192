"""Turns a torch module into an ONNX graph, and writes files whole or not at all."""

import os
import tempfile
from pathlib import Path

import torch
from torch import nn

from sottovoce.errors import ModelError
from sottovoce.learn.silence_logs import quiet

OPSET = 20
"""Version of ONNX's operators; since 20 GELU is one, quicker than its parts."""

Axes = dict[int, torch.export.Dim]
"""Axis of a tensor -> what its size may be, where it is not fixed."""


def to_graph(module: nn.Module, example: torch.Tensor, axes: Axes, takes: str, gives: str) -> bytes:
    """Give the serialised ONNX graph of a module that takes one tensor and gives one.

    Args:
        module: on the CPU, in eval mode.
        example: of what it takes.
        axes: of the example, that may have other sizes.
        takes: name of the graph's input.
        gives: name of the graph's output.

    Raises:
        ModelError: torch cannot export it.
    """
    with quiet("torch.onnx", "onnxscript", "onnx_ir"):
        program = torch.onnx.export(
            module,
            (example,),
            input_names=[takes],
            output_names=[gives],
            dynamic_shapes=(axes,),
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


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under its name only once all of it is there.

    Raises:
        OSError: it cannot be written.
    """
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
