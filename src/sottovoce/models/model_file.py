"""What a model file holds, checked before anything in it runs, and the seal that closes it.

A model file is an ONNX file (protocol buffers, github.com/onnx/onnx/blob/main/onnx/onnx.proto).
ONNX Runtime would read other files, or memory, where a tensor says that its data stand elsewhere;
so the whole file is walked first, with the few field numbers below, and anything but so many plain
operators on so many tensors, which stand in the file itself, is refused.

The card and the seal are appended to the serialised graph, as two more metadata entries: protocol
buffers may be joined end to end. The seal is the SHA-256 of every byte before it, so a file that
was cut short or damaged anywhere is noticed. It is no protection: whoever changes a file can seal
it anew. A signature is one (`models.signature`).
"""

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sottovoce.errors import ModelError
from sottovoce.models.card import Card
from sottovoce.text import describe

CARD_KEY = "sottovoce.card"
"""The metadata key under which a model file's card stands, as JSON."""

ENCODER_KEY = "sottovoce.encoder"
"""The same of the file of a pretrained encoder, for what says which it is."""

SEAL_KEY = "sottovoce.sha256"
"""The metadata key of the seal, the last entry of the file."""

OPERATOR_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
"""Whose operators a model may use: the standard's, and an LSTM in 8 bits of ONNX Runtime's own."""

OPERATORS = frozenset(
    """
    Abs Add And ArgMax ArgMin Atan AveragePool BatchNormalization Cast Ceil Clip Concat Constant
    ConstantOfShape Conv ConvInteger Cos CumSum DequantizeLinear Div DynamicQuantizeLSTM
    DynamicQuantizeLinear Elu Equal Erf Exp Expand Flatten Floor GRU Gather GatherElements GatherND
    Gelu Gemm GlobalAveragePool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish
    Identity InstanceNormalization IsNaN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax MatMul MatMulInteger Max MaxPool Min Mod Mul Neg Not Or PRelu Pad Pow RNN Range
    Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Round
    ScatterND Selu Shape Sigmoid Sign Sin Size Slice Softmax Softplus Split Sqrt Squeeze Sub Sum
    Tanh Tile TopK Transpose Trilu Unsqueeze Where Xor
    """.split()  # noqa: SIM905
)
"""The operators that exports of networks use, and their like: none that branches, repeats, is
random, reads text, or has another graph inside it."""

MOST = {"node": 5_000, "tensor": 10_000, "field": 200_000}
"""Of a file; the largest model here has 339 nodes. To walk so many fields takes half a second."""
MOST_OTHER = 8_000_000
"""Bytes that are no tensor's raw data: names, shapes, the card."""
MOST_BYTES = 2**31 - 1
"""As many as protocol buffers can have."""

NETWORK_WEIGHT = re.compile(r"(^|\.)(members|network)\.")
"""What is in the names of a network's weights, and not in those of a front end's constants."""

RESHAPES = frozenset({"Cast", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators that change nothing but the axes."""

_NODE = (1, 2, 4)
"""Fields of a node: inputs, outputs, operator."""

_WIDTHS = {1: 8, 5: 4}  # wire type -> bytes, of the fixed-width numbers

# message -> field number -> the message that stands there, or the rule in `_metadata` for it.
_FIELDS = {
    "model": {7: "graph", 14: "metadata", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {4: "operator", 5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph within", 10: "tensor", 11: "graph within",
                  22: "sparse", 23: "sparse"},
    "tensor": {1: "dimension", 9: "raw data", 13: "outside", 14: "outside"},
}  # fmt: skip
_REFUSED = {
    "training": "a training part; export it for inference",
    "function": "functions; export it with functions inlined",
    "graph within": "a graph inside a graph, as branches and loops have; export it without",
    "sparse": "sparse tensors; export it with dense ones",
}


def seal(model: bytes, text: str, key: str = CARD_KEY) -> bytes:
    """A model file: the serialised ONNX model, with its card (JSON text) and the seal added.

    With another `key` it is a file of another kind, sealed the same way.

    Raises:
        ModelError: the model breaks a rule of model files, or has a card already.
    """
    if key in _metadata(model):
        raise ModelError("the model already has a card; seal the graph as it was exported")
    content = model + _write_entry(key, text)
    return content + _write_entry(SEAL_KEY, hashlib.sha256(content).hexdigest())


def with_card(data: bytes, text: str) -> bytes:
    """A model file with another card (JSON text) in place of its own.

    Raises:
        ModelError: as for `read_card`.
    """
    end = len(_write_entry(CARD_KEY, read_card(data))) + len(_write_entry(SEAL_KEY, "0" * 64))
    return seal(data[:-end], text)


def read_model_file(path: str | os.PathLike[str]) -> tuple[bytes, Card]:
    """The bytes of a model file and its card, both checked.

    Raises:
        ModelError: the file cannot be read, or is refused; the message begins with the path.
    """
    name = describe(path)
    try:
        if (size := Path(path).stat().st_size) > MOST_BYTES:
            raise ModelError(f"{name}: has {size} bytes; a model file has {MOST_BYTES} at most")
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{name}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{name}: cannot be read ({reason}); give an .onnx file") from None
    try:
        return data, Card.from_json(read_card(data))
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from None


def read_card(data: bytes, key: str = CARD_KEY) -> str:
    """The text of the card in a model file, after everything else in the file was checked.

    Raises:
        ModelError: not an ONNX file, cut short, changed since its export, without a card, or with
            more, or other operators and tensors, than a model file may have.
    """
    metadata = _metadata(data)
    if key not in metadata:
        raise ModelError("an ONNX file without a Sottovoce card; use one that Sottovoce exported")
    digest = metadata.get(SEAL_KEY, "")
    content = data[: -len(_write_entry(SEAL_KEY, digest))]
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError("the file was cut short or changed after its export; get it again")
    return metadata[key]


def with_features(data: bytes, sound: str) -> tuple[bytes, str]:
    """A model whose graph gives, besides its own outputs, what its front end computes.

    That is the last tensor that follows from the sound alone, before the first weight of the
    network, as it was before its axes were only turned or renamed.

    Args:
        data: a model file that was checked.
        sound: name of the graph's input.

    Returns:
        The serialised model with one output more, and that output's name.

    Raises:
        ModelError: no weight of a network is found in the graph.
    """
    (graph,) = (_message(value) for number, value in _fields(memoryview(data)) if number == 7)
    live, weights, made_by = {sound}, set[str](), dict[str, tuple[str, str]]()
    for number, value in _fields(graph):
        if number == 5:
            (name,) = (_text(text) for field, text in _fields(_message(value)) if field == 8)
            if NETWORK_WEIGHT.search(name):
                weights.add(name)
    for number, value in _fields(graph):
        if number != 1:
            continue
        node = [(field, _text(text)) for field, text in _fields(_message(value)) if field in _NODE]
        inputs, outputs = ([text for field, text in node if field == end] for end in (1, 2))
        sounds = [name for name in inputs if name in live]
        if sounds and weights & set(inputs):
            name = sounds[0]
            while name in made_by and made_by[name][0] in RESHAPES:
                name = made_by[name][1]
            entry = _write_field(12, _write_field(1, name.encode()))
            return data + _write_field(7, entry), name
        if sounds:
            live.update(outputs)
            kind = next(text for field, text in node if field == 4)
            made_by.update(dict.fromkeys(outputs, (kind, sounds[0])))
        elif weights & set(inputs):
            weights.update(outputs)
    raise ModelError("no weight of a network is found in its graph; export it again")


def _metadata(data: bytes) -> dict[str, str]:
    """The metadata of an ONNX model whose every graph, node and tensor was walked and allowed."""
    metadata: dict[str, str] = {}
    count = Counter[str]()
    ahead = [("model", memoryview(data))]
    while ahead:
        message, content = ahead.pop()
        elements = 1
        for number, value in _fields(content, count):
            what = _FIELDS[message].get(number, "")
            _count(what, count)
            if what in _REFUSED:
                raise ModelError(f"has {_REFUSED[what]}")
            if what == "outside":
                if value != 0:  # data_location 0 is the default: in the file itself
                    raise ModelError("has tensors kept outside the file; export it as one file")
            elif what in ("domain", "operator"):
                _check_operator(what, _text(value))
            elif what == "dimension":
                elements *= math.prod(_integers(value))
            elif what == "raw data":
                count["raw bytes"] += len(_message(value))
            elif what == "metadata":
                entry = {field: _text(text) for field, text in _fields(_message(value), count)}
                if (key := entry.get(1, "")) in metadata:
                    raise ModelError(f"has the metadata key {key!r} twice; get the file again")
                metadata[key] = entry.get(2, "")
            elif what:
                ahead.append((what, _message(value)))
        if message == "tensor" and elements > 2 * len(content):  # the smallest have four bits
            raise ModelError("has a tensor larger than its data; get the file again")
    if not count["graph"]:
        raise _broken()
    if (other := len(data) - count["raw bytes"]) > MOST_OTHER:
        raise ModelError(f"has {other} bytes beside its tensors; expected {MOST_OTHER} at most")
    return metadata


def _check_operator(what: str, name: str) -> None:
    if name in (OPERATORS if what == "operator" else OPERATOR_DOMAINS):
        return
    found = "the operator" if what == "operator" else "operators of"
    raise ModelError(
        f"has {found} {name!r}; a model file may have those alone that exported networks use "
        "(docs/security.md)"
    )


def _fields(
    message: memoryview, count: Counter[str] | None = None
) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a serialised message: (number, the integer or the bytes that stand there).

    Args:
        message: whose fields they are.
        count: of what was met in the file so far; the fields are added. None where the file was
            checked before.

    Raises:
        ModelError: the message is broken, or the file has more than a model file may have.
    """
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        number, wire = tag >> 3, tag & 7
        value: int | memoryview
        if wire == 0:
            value, at = _read_varint(message, at)
        elif wire in _WIDTHS or wire == 2:
            width, at = _read_varint(message, at) if wire == 2 else (_WIDTHS[wire], at)
            value, at = message[at : at + width], at + width
        else:
            raise _broken()
        if at > len(message) or number == 0:
            raise _broken()
        if count is not None:
            _count("field", count)
        yield number, value


def _count(what: str, count: Counter[str]) -> None:
    count[what] += 1
    if count[what] > MOST.get(what, math.inf):
        raise ModelError(f"has more than {MOST[what]} {what}s; expected a smaller graph")


def _integers(value: int | memoryview) -> Iterator[int]:
    """The integers of a repeated field, of which one stands there, or several packed."""
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        integer, at = _read_varint(value, at)
        yield integer


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """The integer at `at`, seven bits a byte, lowest first, and where the next thing starts."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _broken()


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _broken()
    return value


def _text(value: int | memoryview) -> str:
    return str(_message(value), "utf-8", errors="replace")


def _broken() -> ModelError:
    return ModelError("not an ONNX file, or one cut short; get it again")


def _write_entry(key: str, value: str) -> bytes:
    """A metadata entry of an ONNX model, serialised (ModelProto.metadata_props is field 14)."""
    return _write_field(14, _write_field(1, key.encode()) + _write_field(2, value.encode()))


def _write_field(number: int, content: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _write_varint(len(content)) + content


def _write_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
