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


def with_fourier_parts(graph: bytes, kernel: NDArray[np.float32], frame: int) -> bytes:
    """Take a Fourier kernel out of a serialised ONNX model, and have it made when it is opened.

    Args:
        graph: the model.
        kernel: (2 * (frame // 2 + 1), 1, window) windowed cosines, then sines, as in `Spectrum`.
        frame: points of the transform.

    Returns:
        The model with the few kilobytes that the kernel follows from, and operators that ONNX
        Runtime runs once; the model as it was where the kernel is not in it.
    """
    model = onnx.load_from_string(graph)
    wanted = kernel.tobytes()
    found = [
        tensor
        for tensor in model.graph.initializer
        if tuple(tensor.dims) == kernel.shape and numpy_helper.to_array(tensor).tobytes() == wanted
    ]
    if not found:
        return graph
    (tensor,) = found
    turns = 2 * np.pi * np.arange(frame) / frame
    parts: dict[str, NDArray[np.generic]] = {
        "bins": np.arange(frame // 2 + 1, dtype=np.int64)[:, None],
        "places": np.arange(kernel.shape[2], dtype=np.int64),
        "frame": np.array(frame, np.int64),
        "cosines": np.cos(turns).astype(np.float32),
        "sines": np.sin(turns).astype(np.float32),
        "window": kernel[0, 0].copy(),  # the cosine of no frequency is 1
        "axis": np.array([1], np.int64),
    }
    name = {part: f"{tensor.name}.{part}" for part in (*parts, "turn", "sum", "cos", "sin", "all")}
    nodes = [
        helper.make_node("Mul", [name["bins"], name["places"]], [name["sum"]]),
        helper.make_node("Mod", [name["sum"], name["frame"]], [name["turn"]]),
        helper.make_node("Gather", [name["cosines"], name["turn"]], [name["cos"]]),
        helper.make_node("Gather", [name["sines"], name["turn"]], [name["sin"]]),
        helper.make_node("Concat", [name["cos"], name["sin"]], [name["all"]], axis=0),
        helper.make_node("Mul", [name["all"], name["window"]], [f"{tensor.name}.flat"]),
        helper.make_node("Unsqueeze", [f"{tensor.name}.flat", name["axis"]], [tensor.name]),
        *model.graph.node,
    ]
    model.graph.initializer.remove(tensor)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(values), name[part]) for part, values in parts.items()
    )
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    return content
