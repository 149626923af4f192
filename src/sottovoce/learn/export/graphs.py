"""Turns a torch module into an ONNX graph, and stores its weights in half precision."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from sottovoce.errors import ModelError
from sottovoce.learn.silence_logs import silence_logs

OPSET = 20
"""Version of ONNX's operators; since 20 GELU is one, quicker than its parts."""

MIN_ELEMENTS = 1024
"""Smaller tensors stay in single precision: they would save nothing worth the rounding."""

Axes = dict[int, torch.export.Dim]
"""Axis of a tensor -> what its size may be, where it is not fixed."""


def to_graph(
    module: nn.Module, inputs: Mapping[str, tuple[torch.Tensor, Axes]], outputs: Sequence[str]
) -> bytes:
    """Give the serialised ONNX graph of a module.

    Args:
        module: on the CPU, in eval mode.
        inputs: name in the graph -> example of what the module takes, in its order, and the axes
            of it that may have other sizes.
        outputs: names in the graph of what it gives.

    Raises:
        ModelError: torch cannot export it.
    """
    with silence_logs("torch.onnx", "onnxscript", "onnx_ir"):
        program = torch.onnx.export(
            module,
            tuple(example for example, _ in inputs.values()),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=tuple(axes for _, axes in inputs.values()),
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


def disagreement(
    module: nn.Module, graph: bytes, checks: Iterable[tuple[torch.Tensor, ...]]
) -> float:
    """Give the largest difference between what a module and its graph give first.

    Args:
        module: on the CPU, in eval mode.
        graph: serialised.
        checks: what both are given, tensors in the order of the graph's inputs.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    worst = 0.0
    for given in checks:
        with torch.inference_mode():
            expected = module(*given)
        first = expected[0] if isinstance(expected, tuple) else expected
        feed = {name: value.numpy() for name, value in zip(names, given, strict=True)}
        found = session.run(None, feed)[0]
        worst = max(worst, float(np.abs(found - first.numpy()).max()))
    return worst


def to_fp16(graph: bytes, exact: Iterable[NDArray[np.float32]]) -> bytes:
    """Store the large float32 tensors of a serialised ONNX model as float16.

    A Cast brings each back. ONNX Runtime does that once, while it opens the file, so that nothing
    is computed in half precision: half the size in the file, the same speed once loaded.

    Args:
        graph: the model.
        exact: tensors that stay as they are, in whatever order the graph has their elements: the
            constants of a front end, such as the sines of its Fourier transform, whose rounding
            would be noise under every quiet sound. So does a tensor beyond float16's range.

    Returns:
        The model, serialised again.
    """
    model = onnx.load_from_string(graph)
    kept = {_content(values) for values in exact}
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < MIN_ELEMENTS:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max or _content(values) in kept:
            continue
        name, fp16_name = tensor.name, f"{tensor.name}.fp16"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), fp16_name))
        casts.append(helper.make_node("Cast", [fp16_name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]  # a node stands before those that use it
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    return content


def _content(values: NDArray[np.float32]) -> bytes:
    """The elements of a tensor whatever their order: an exporter may transpose a constant."""
    return np.sort(values, axis=None).tobytes()
