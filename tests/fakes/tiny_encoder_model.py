"""The tiny model in two files: a stand-in for a pretrained encoder, and a model that stands on it.

Together they give what `tiny_model` gives in one.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_model import tiny_card, tiny_graph

from sottovoce.models.card import EncoderInfo
from sottovoce.models.encoder import encoder_file
from sottovoce.models.model_file import ENCODER_KEY, seal

INFO = EncoderInfo(
    name="nobody/tiny-encoder",
    revision="",
    digest="0" * 64,
    layers=(1, 2),
    pooling="mean-std",
    features=4,
    version=1,
)


def write_tiny_encoder(info: EncoderInfo = INFO, *, says: EncoderInfo | None = None) -> Path:
    """Put the encoder into the cache as `info`; the file says that it is `says`, or that too."""
    graph = tiny_graph().graph
    nodes = [*graph.node[:6], helper.make_node("Unsqueeze", ["logarithm", "axis2"], ["encoded"])]
    path = encoder_file(info)
    path.parent.mkdir(parents=True, exist_ok=True)
    model = _model(nodes, graph.input[0], _tensor("encoded", ["batch", 4, 1]), graph.initializer)
    path.write_bytes(seal(model, (says or info).to_json(), ENCODER_KEY))
    return path


def write_tiny_head(path: Path, info: EncoderInfo = INFO, *, features: int = 4) -> Path:
    """A model file at `path` that takes so many features of the encoder."""
    graph = tiny_graph().graph
    nodes = [
        helper.make_node("Gather", ["encoded", "first4"], ["four"], axis=1),
        helper.make_node("Squeeze", ["four", "axis2"], ["logarithm"]),
        *graph.node[6:],
    ]
    takes = _tensor("encoded", ["batch", features, 1])
    first = numpy_helper.from_array(np.arange(4), "first4")
    model = _model(nodes, takes, graph.output[0], [*graph.initializer, first])
    path.write_bytes(seal(model, tiny_card(encoder=info).to_json()))
    return path


def _tensor(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _model(
    nodes: list[onnx.NodeProto],
    takes: onnx.ValueInfoProto,
    gives: onnx.ValueInfoProto,
    constants: list[onnx.TensorProto],
) -> bytes:
    used = {name for node in nodes for name in node.input}
    kept = [each for each in constants if each.name in used]
    graph = helper.make_graph(nodes, "tiny", [takes], [gives], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content
