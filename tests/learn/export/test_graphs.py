"""Weights in half precision: half the bytes, the same answers, computed in float32."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from tiny_corpus import RATE, RECIPE
from tiny_model import tiny_card

import sottovoce
from sottovoce.errors import ModelError
from sottovoce.learn.export.graphs import to_fp16
from sottovoce.learn.export.model_file import Calibrated, export_model, to_onnx
from sottovoce.learn.recipe.recipe import Recipe
from sottovoce.learn.train.classifier import Classifier

CARD = tiny_card(labels=("neutral", "angry"))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """One with enough weights for them to fill the file."""
    torch.manual_seed(0)
    recipe = Recipe.parse(RECIPE.replace("[training]", "[training]\nmembers = 2"))
    options = recipe.network.options.model_copy(update={"width": 192, "blocks": 4})
    network = recipe.network.model_copy(update={"options": options})
    return Classifier.build(recipe.model_copy(update={"network": network})).eval()


@pytest.fixture(scope="module")
def graph(classifier: Classifier) -> bytes:
    return to_onnx(Calibrated(classifier, 1.0).eval(), CARD)


def constants(classifier: Classifier) -> list[np.ndarray]:
    return [buffer.numpy() for buffer in classifier.frontend.buffers()]


def tensors(graph: bytes) -> dict[str, np.ndarray]:
    model = onnx.load_from_string(graph)
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_the_weights_halve_and_the_front_end_stays(classifier: Classifier, graph: bytes) -> None:
    front = sum(constant.nbytes for constant in constants(classifier))
    halved = to_fp16(graph, constants(classifier))
    assert len(halved) - front < 0.55 * (len(graph) - front)
    for name, values in tensors(graph).items():
        if name.startswith("classifier.frontend."):
            np.testing.assert_array_equal(tensors(halved)[name], values)


def test_a_constant_stays_in_whatever_order_the_exporter_keeps_it() -> None:
    constant = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)
    graph = product(constant.T)
    assert to_fp16(graph, [constant]) == graph
    assert len(to_fp16(graph, [])) < 0.6 * len(graph)


def test_a_tensor_beyond_float16_s_range_stays() -> None:
    weights = np.full((40, 50), 7e4, np.float32)
    assert to_fp16(product(weights), []) == product(weights)


def test_the_runtime_casts_once_and_computes_in_float32(
    classifier: Classifier, graph: bytes, tmp_path: Path
) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "opened.onnx")
    options.log_severity_level = 4
    halved = to_fp16(graph, constants(classifier))
    onnxruntime.InferenceSession(halved, options, providers=["CPUExecutionProvider"])
    opened = onnx.load(tmp_path / "opened.onnx")
    assert "Cast" in {node.op_type for node in onnx.load_from_string(halved).graph.node}
    assert "Cast" not in {node.op_type for node in opened.graph.node}
    assert TensorProto.FLOAT16 not in {tensor.data_type for tensor in opened.graph.initializer}


def test_the_file_halves_and_answers_the_same(
    classifier: Classifier, graph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sottovoce.learn.export.model_file.to_onnx", lambda *_: graph)
    noise = np.random.default_rng(0).standard_normal((3, 2 * RATE)).astype(np.float32) / 10
    files = [tmp_path / "whole.onnx", tmp_path / "half.onnx"]
    for half, file in enumerate(files):
        export_model(classifier, CARD, file, [noise], fp16=bool(half))
    whole, halved = (sottovoce.load(file).probabilities(noise) for file in files)
    assert 0 < np.abs(whole - halved).max() < 5e-3
    front = sum(constant.nbytes for constant in constants(classifier))
    sizes = [file.stat().st_size - front for file in files]
    assert sizes[1] < 0.55 * sizes[0]


def test_weights_that_do_not_bear_rounding_are_not_written(
    classifier: Classifier, graph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarsen(content: bytes, _: object) -> bytes:
        model = onnx.load_from_string(content)
        for tensor in model.graph.initializer:
            if tensor.name.endswith("head.2.weight"):
                values = numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(np.round(values), tensor.name))
        return model.SerializeToString()

    monkeypatch.setattr("sottovoce.learn.export.model_file.to_onnx", lambda *_: graph)
    monkeypatch.setattr("sottovoce.learn.export.model_file.to_fp16", coarsen)
    noise = np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32)
    with pytest.raises(ModelError, match="with weights in half precision differs from torch"):
        export_model(classifier, CARD, tmp_path / "m.onnx", [noise], fp16=True)
    assert not list(tmp_path.iterdir())


def product(matrix: np.ndarray) -> bytes:
    """The graph of input @ matrix, serialised."""
    rows, columns = matrix.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["input", "matrix"], ["output"])],
        "product",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", rows])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", columns])],
        [numpy_helper.from_array(np.ascontiguousarray(matrix), "matrix")],
    )
    content: bytes = helper.make_model(graph, ir_version=10).SerializeToString()
    return content
