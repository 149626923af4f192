"""Turns a torch module into an ONNX graph."""

import torch
from torch import nn

from sottovoce.errors import ModelError
from sottovoce.learn.silence_logs import silence_logs

OPSET = 20
"""Version of ONNX's operators; since 20 GELU is one, quicker than its parts."""

Axes = dict[int, torch.export.Dim]
"""Axis of a tensor -> what its size may be, where it is not fixed."""


def to_graph(
    module: nn.Module, example: torch.Tensor, axes: Axes, input_name: str, output_name: str
) -> bytes:
    """Give the serialised ONNX graph of a module that takes one tensor and gives one.

    Args:
        module: on the CPU, in eval mode.
        example: of what it takes.
        axes: of the example, that may have other sizes.
        input_name: of the graph.
        output_name: of the graph.

    Raises:
        ModelError: torch cannot export it.
    """
    with silence_logs("torch.onnx", "onnxscript", "onnx_ir"):
        program = torch.onnx.export(
            module,
            (example,),
            input_names=[input_name],
            output_names=[output_name],
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
