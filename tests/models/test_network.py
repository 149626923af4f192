"""A graph that is hostile without breaking a rule takes little memory and little time."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_model import write_tiny

from sottovoce.errors import ModelError
from sottovoce.models import network
from sottovoce.models.model import Model


def constant_of_shape(model: onnx.ModelProto) -> str:
    constant(model, "sizes", np.array([1 << 16, 1 << 14], np.int64))
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["sizes"], ["big"]))
    return "big"


def folded_constants(model: onnx.ModelProto) -> str:
    """Constants of constants, which ONNX Runtime computes while it opens the graph."""
    for number in range(40):
        constant(model, f"size{number}", np.array([(8 << 20) + number], np.int64))
        made = helper.make_node("ConstantOfShape", [f"size{number}"], [f"c{number}"])
        plus = helper.make_node("Cos", [f"c{number}"], [f"d{number}"])
        mean = helper.make_node("Slice", [f"d{number}", "size0", "shape"], [f"e{number}"])
        model.graph.node.extend([made, plus, mean])
    model.graph.node.insert(0, helper.make_node("Shape", ["waveform"], ["shape"], end=1))
    model.graph.node.append(helper.make_node("Sum", [f"e{n}" for n in range(40)], ["big"]))
    return "big"


def doubled(model: onnx.ModelProto) -> str:
    last = "waveform"
    for number in range(20):
        model.graph.node.append(helper.make_node("Concat", [last, last], [f"d{number}"], axis=1))
        last = f"d{number}"
    return last


def expanded(model: onnx.ModelProto) -> str:
    constant(model, "twice", np.array([2, 1], np.int64))
    constant(model, "row", np.array([1, -1], np.int64))
    last = "waveform"
    for number in range(20):
        flat, wide = f"f{number}", f"d{number}"
        model.graph.node.append(helper.make_node("Reshape", [last, "row"], [flat]))
        model.graph.node.append(helper.make_node("Expand", [flat, "twice"], [wide]))
        last = wide
    return last


def outer_product(model: onnx.ModelProto) -> str:
    constant(model, "tall", np.zeros((1 << 15, 1), np.float32))
    constant(model, "broad", np.zeros((1, 1 << 15), np.float32))
    model.graph.node.append(helper.make_node("Add", ["tall", "broad"], ["big"]))
    return "big"


def constant(model: onnx.ModelProto, name: str, value: np.ndarray) -> None:
    model.graph.initializer.append(numpy_helper.from_array(value, name))


BOMBS = [constant_of_shape, folded_constants, doubled, expanded, outer_product]
OPENED = """
import resource, sys
import sottovoce
from sottovoce.errors import ModelError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    sottovoce.load(sys.argv[1])
except ModelError as error:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much a process has")
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_graph_that_grows_is_refused_in_little_memory(tmp_path, bomb):
    def arm(model):
        last = bomb(model)
        for node in model.graph.node:
            if node.output[0] == "probabilities":
                node.output[0] = "harmless"
        model.graph.node.extend(
            [
                helper.make_node("ReduceMax", [last], ["top"], keepdims=0),
                helper.make_node("Mul", ["top", "harmless"], ["more"]),
                helper.make_node("Softmax", ["more"], ["probabilities"], axis=1),
            ]
        )

    path = write_tiny(tmp_path / "bomb.onnx", change=arm)
    command = [sys.executable, "-c", OPENED, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    taken, message = done.stdout.split(" ", 1)
    assert message.startswith(f"{path}: ")
    assert message.count("\n") == 1
    assert int(taken) < 400, "MB"
    assert done.stderr == ""


def test_what_was_bounded_while_a_model_opened_is_as_it_was(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    Model.open(write_tiny(tmp_path / "m.onnx"))
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_first_run_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    """Between two nodes: each of these takes a while, so that some come after the end."""

    def slow(model):
        constant(model, "square", np.eye(512, dtype=np.float32) / 512)
        last = "square"
        for number in range(4000):
            node = helper.make_node("MatMul", [last, "start"], [f"m{number}"])
            model.graph.node.append(node)
            last = f"m{number}"
        model.graph.node.insert(0, helper.make_node("ReduceMax", ["waveform"], ["top"], keepdims=0))
        model.graph.node.insert(1, helper.make_node("Mul", ["top", "square"], ["start"]))
        model.graph.output.append(
            helper.make_tensor_value_info(last, TensorProto.FLOAT, [512, 512])
        )

    monkeypatch.setattr(network, "LONGEST_CHECK", 0.01)
    monkeypatch.setattr(network, "check_tensors", lambda *given: None)
    with pytest.raises(ModelError, match="cannot run"):
        Model.open(write_tiny(tmp_path / "m.onnx", change=slow))
