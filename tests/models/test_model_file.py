"""A model file is refused where anything in it could do more than compute, or was changed."""

import time

import onnx
import pytest
from onnx import TensorProto, helper
from tiny_model import tiny_card, tiny_graph, write_tiny

from sottovoce.errors import ModelError
from sottovoce.models.model_file import (
    CARD_KEY,
    SEAL_KEY,
    _write_field,
    read_card,
    read_model_file,
    seal,
)
from sottovoce.models.registry import available


def whole() -> bytes:
    return seal(tiny_graph().SerializeToString(), tiny_card().to_json())


def outside(tensor: TensorProto, location: str = "weights.bin") -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def refusal(model: onnx.ModelProto) -> str:
    with pytest.raises(ModelError) as refused:
        seal(model.SerializeToString(), "{}")
    return str(refused.value)


def test_the_card_comes_back_out():
    assert read_card(whole()) == tiny_card().to_json()


def test_a_sealed_file_is_still_a_plain_onnx_model():
    model = onnx.load_from_string(whole())
    onnx.checker.check_model(model, full_check=True)
    assert [entry.key for entry in model.metadata_props] == [CARD_KEY, SEAL_KEY]


def test_a_change_of_any_byte_is_noticed():
    data = whole()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        with pytest.raises(ModelError):
            read_card(changed)


def test_a_cut_at_any_byte_is_noticed():
    data = whole()
    for length in range(len(data)):
        with pytest.raises(ModelError):
            read_card(data[:length])


@pytest.mark.parametrize("extra", [b"\x00", b"\x08\x0a", b"\x72\x00", b"\x0f"])
def test_anything_added_at_the_end_is_noticed(extra):
    with pytest.raises(ModelError):
        read_card(whole() + extra)


def test_a_card_is_given_once():
    with pytest.raises(ModelError, match="already has a card"):
        seal(whole(), "{}")


def test_an_onnx_file_without_a_card_is_said_to_be_one():
    with pytest.raises(ModelError, match="ONNX file without a Sottovoce card"):
        read_card(tiny_graph().SerializeToString())


def test_a_card_without_a_seal_is_refused():
    model = tiny_graph()
    helper.set_model_props(model, {CARD_KEY: tiny_card().to_json()})
    with pytest.raises(ModelError, match="cut short or changed"):
        read_card(model.SerializeToString())


@pytest.mark.parametrize(
    "data", [b"", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"hello" * 99, b"\xff" * 99]
)
def test_what_is_no_onnx_file_is_said_to_be_none(data):
    with pytest.raises(ModelError, match="not an ONNX file"):
        read_card(data)


def test_an_initializer_outside_the_file_is_refused():
    model = tiny_graph()
    outside(model.graph.initializer[2])
    assert "outside the file" in refusal(model)


def test_an_address_in_memory_is_refused():
    model = tiny_graph()
    outside(model.graph.initializer[2], "*/_ORT_MEM_ADDR_/*")
    assert "outside the file" in refusal(model)


def test_an_external_location_is_refused_even_where_it_is_not_in_force():
    model = tiny_graph()
    model.graph.initializer[2].external_data.add(key="location", value="weights.bin")
    assert "outside the file" in refusal(model)


def test_a_constant_outside_the_file_is_refused():
    constant = helper.make_node(
        "Constant", [], ["c"], value=helper.make_tensor("t", TensorProto.FLOAT, [1], [0.0])
    )
    outside(constant.attribute[0].t)
    model = tiny_graph()
    model.graph.node.append(constant)
    assert "outside the file" in refusal(model)


@pytest.mark.parametrize("operator", ["If", "Loop", "Scan", "Identity"])
def test_graphs_inside_graphs_are_refused(operator):
    model = tiny_graph()
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Identity", ["waveform"], ["more"], body=body))
    model.graph.node[-1].op_type = operator
    assert "a graph inside a graph" in refusal(model) or repr(operator) in refusal(model)


def test_sparse_tensors_are_refused():
    model = tiny_graph()
    model.graph.sparse_initializer.add().dims.append(1 << 40)
    assert "sparse tensors" in refusal(model)


@pytest.mark.parametrize(
    "operator",
    ["Loop", "RandomNormal", "NonMaxSuppression", "StringSplit", "Einsum", "QLinearMatMul"],
)
def test_operators_that_no_export_uses_are_refused_by_name(operator):
    model = tiny_graph()
    model.graph.node[0].op_type = operator
    assert f"has the operator {operator!r}" in refusal(model)


@pytest.mark.parametrize("number", [5_001, 300_000])
def test_more_nodes_than_a_network_has_are_refused_at_once(number):
    node = helper.make_node("Add", ["waveform", "waveform"], ["more"])
    nodes = _write_field(1, node.SerializeToString()) * number
    data = tiny_graph().SerializeToString() + _write_field(7, nodes)
    begun = time.perf_counter()
    with pytest.raises(ModelError, match="more than 5000 nodes"):
        seal(data, "{}")
    assert time.perf_counter() - begun < 5


def test_more_tensors_than_a_network_has_are_refused():
    model = tiny_graph()
    model.graph.initializer.extend(
        helper.make_tensor(f"t{n}", TensorProto.FLOAT, [1], [0.0]) for n in range(10_001)
    )
    assert "more than 10000 tensors" in refusal(model)


def test_what_is_neither_node_nor_tensor_is_counted_too():
    """Each dimension of a shape is two bytes here, and dozens once it was parsed."""
    model = tiny_graph()
    model.graph.value_info.add(name="wide").type.tensor_type.shape.SetInParent()
    shape = model.graph.value_info[0].type.tensor_type.shape
    shape.dim.extend(type(shape).Dimension() for _ in range(1000))
    assert seal(model.SerializeToString(), "{}")
    content = b"\x0a\x00" * 4_000_001
    for number in (2, 1, 2, 13, 7):  # shape, tensor_type, type, value_info, graph
        content = _write_field(number, content)
    with pytest.raises(ModelError, match="bytes beside its tensors"):
        seal(tiny_graph().SerializeToString() + content, "{}")
    fields = _write_field(7, _write_field(2, b"g") * 200_001)
    with pytest.raises(ModelError, match="more than 200000 fields"):
        seal(tiny_graph().SerializeToString() + fields, "{}")


@pytest.mark.parametrize("dims", [[1 << 40], [1 << 20, 1 << 20], [-1], [64, 64]])
def test_a_tensor_is_no_larger_than_its_data(dims):
    model = tiny_graph()
    model.graph.initializer.add(
        name="big", data_type=TensorProto.FLOAT, dims=dims, raw_data=b"0" * 4
    )
    assert "larger than its data" in refusal(model)


@pytest.mark.parametrize("name", available())
def test_the_models_here_are_taken(name):
    read_model_file(available()[name])


@pytest.mark.parametrize(
    "domain", ["com.example", "ai.onnx.contrib", "ai.onnx.ml", "com.microsoft.nchwc"]
)
def test_operators_of_others_are_refused_by_name(domain):
    model = tiny_graph()
    model.graph.node[0].domain = domain
    assert repr(domain) in refusal(model)


@pytest.mark.parametrize("domain", ["", "ai.onnx"])
def test_the_standard_s_operators_are_taken(domain):
    model = tiny_graph()
    model.graph.node[0].domain = domain
    seal(model.SerializeToString(), "{}")


def test_functions_are_refused():
    model = tiny_graph()
    model.functions.add(name="f", domain="")
    assert "function" in refusal(model)


def test_a_message_begins_with_the_path(tmp_path):
    path = tmp_path / "two\nlines.onnx"
    path.write_bytes(whole()[:-1])
    with pytest.raises(ModelError) as refused:
        read_model_file(path)
    assert str(refused.value).startswith(f"{tmp_path}/two\\nlines.onnx: ")


@pytest.mark.parametrize("name", ["absent.onnx", ".", "nul\0byte"])
def test_what_cannot_be_opened_is_one_line(tmp_path, name):
    with pytest.raises(ModelError, match=r"no such file|cannot be read"):
        read_model_file(f"{tmp_path}/{name}")


def test_bytes_and_card_come_together(tmp_path):
    data, card = read_model_file(write_tiny(tmp_path / "tiny.onnx"))
    assert card == tiny_card()
    assert data == whole()
