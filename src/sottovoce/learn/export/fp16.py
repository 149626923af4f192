"""Weights in half precision inside a graph: half the size in the file, the same speed once loaded.

Each large float32 tensor is stored as float16, and a Cast brings it back; ONNX Runtime does that
once, while it opens the file, so nothing is computed in half precision.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MIN_ELEMENTS = 1024
"""Smaller tensors stay in single precision: they would save nothing worth the rounding."""


def to_fp16(graph: bytes, exact: Iterable[NDArray[np.float32]]) -> bytes:
    """Store the large float32 tensors of a serialised ONNX model as float16.

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
