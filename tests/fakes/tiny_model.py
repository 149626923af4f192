"""Tiny model files for tests: a fixed linear map of the loudness in a few bands to a softmax."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sottovoce.models.card import (
    Calibration,
    Card,
    CorpusInfo,
    Figure,
    ProfileInfo,
    ProfileKind,
    ProtocolInfo,
    WindowPolicy,
    speaker_hash,
)
from sottovoce.models.model_file import seal

LABELS = ("neutral", "happy", "sad", "angry")
RATE = 16_000
VOICE = Path(__file__).parents[2] / "samples" / "lively-voice.wav"
"""A recording with speech, synthesised."""


def tiny_card(**changes: object) -> Card:
    """A valid card for `tiny_graph`, with `changes` to its fields."""
    card = Card(
        schema_version=2,
        name="tiny",
        version="1.0",
        description="A stand-in for tests.",
        labels=LABELS,
        sample_rate=RATE,
        window=WindowPolicy(trim="speech", margin=0.1, grid=0.25, min=0.5, max=6.0),
        min_confidence=0.0,
        calibration=Calibration(method="none", temperature=1.0, fitted_on=""),
        corpora=(
            CorpusInfo(
                name="made up",
                clips=10,
                speakers=2,
                speaker_hashes=(speaker_hash("made-up/1"), speaker_hash("made-up/2")),
                licence="none",
            ),
        ),
        protocol=ProtocolInfo(name="loso", seeds=(0, 1), folds=2, optimistic=False, note=""),
        figures=(Figure(metric="uar", value=0.5, low=0.4, high=0.6),),
        language="en",
        limits=("It is a stand-in.",),
        licence="Apache-2.0",
        recipe='name = "tiny"\n',
        created="2026-01-31",
    )
    return Card.model_validate(card.model_dump() | changes)


def tiny_graph(classes: int = len(LABELS)) -> onnx.ModelProto:
    """waveform (batch, samples) -> probabilities (batch, classes), sensitive to level and colour.

    The mean absolute value of the waveform after four fixed three-tap filters goes through a
    logarithm, a fixed matrix and a softmax: deterministic, and any length of two or more will do.
    """
    generator = np.random.default_rng(7)
    taps = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1], [0, 1, 0]], np.float32)[:, None, :]
    weights = generator.normal(size=(4, classes)).astype(np.float32)
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "axis1"], ["channel"]),
        helper.make_node("Conv", ["channel", "taps"], ["bands"], pads=[1, 1]),
        helper.make_node("Abs", ["bands"], ["rectified"]),
        helper.make_node("ReduceMean", ["rectified", "axis2"], ["level"], keepdims=0),
        helper.make_node("Add", ["level", "floor"], ["lifted"]),
        helper.make_node("Log", ["lifted"], ["logarithm"]),
        helper.make_node("MatMul", ["logarithm", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {
        "axis1": np.array([1], np.int64),
        "axis2": np.array([2], np.int64),
        "taps": taps,
        "floor": np.array(1e-3, np.float32),
        "weights": weights,
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10, producer_name="tests"
    )


PROFILES = ProfileInfo(
    dimensions=4,
    normal=ProfileKind(
        centre=(-3.0, -4.0, -4.5, -3.5),
        shrinkage=(0.5, 1.0, 2.0, 1.0),
        min_confidence=0.3,
        spread=(0.0, 0.5),
    ),
    mixed=ProfileKind(
        centre=(-2.5, -3.5, -4.0, -3.0),
        shrinkage=(1.0, 2.0, 4.0, 2.0),
        min_confidence=0.4,
        spread=(0.1, 2.0),
    ),
)
"""Of `tiny_profile_graph`."""


def tiny_profile_graph() -> onnx.ModelProto:
    """`tiny_graph` as a model that takes profiles: its embedding is the logarithm of the levels."""
    model = tiny_graph()
    graph = model.graph
    nodes = [node for node in graph.node if node.op_type not in ("MatMul", "Softmax", "Log")]
    nodes += [
        helper.make_node("Log", ["lifted"], ["embedding"]),
        helper.make_node("Min", ["kind", "one"], ["used"]),
        helper.make_node("Cast", ["used"], ["factor"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["factor", "axis1"], ["column"]),
        helper.make_node("Mul", ["baseline", "column"], ["taken"]),
        helper.make_node("Sub", ["embedding", "taken"], ["centred"]),
        helper.make_node("Unsqueeze", ["centred", "axis1"], ["row"]),
        helper.make_node("Gather", ["three", "kind"], ["chosen"]),
        helper.make_node("MatMul", ["row", "chosen"], ["logit_row"]),
        helper.make_node("Squeeze", ["logit_row", "axis1"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    three = np.random.default_rng(8).normal(size=(3, 4, len(LABELS))).astype(np.float32)
    graph.initializer.extend(
        [
            numpy_helper.from_array(three, "three"),
            numpy_helper.from_array(np.array(1, np.int64), "one"),
        ]
    )
    graph.input.extend(
        [
            helper.make_tensor_value_info("baseline", TensorProto.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("kind", TensorProto.INT64, ["batch"]),
        ]
    )
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 4]))
    return model


def write_tiny_profiled(path: Path, **changes: object) -> Path:
    """A model file that takes profiles; `changes` to its card."""
    card = tiny_card(name="tiny-profiled", profiles=PROFILES.model_dump(), **changes)
    path.write_bytes(seal(tiny_profile_graph().SerializeToString(), card.to_json()))
    return path


def write_tiny(
    path: Path,
    *,
    card: Card | str | None = None,
    change: Callable[[onnx.ModelProto], object] = lambda model: None,
) -> Path:
    """A model file at `path`; `change` edits the ONNX model before it is sealed."""
    model = tiny_graph()
    change(model)
    if card is None:
        card = tiny_card()
    path.write_bytes(
        seal(model.SerializeToString(), card.to_json() if isinstance(card, Card) else card)
    )
    return path
