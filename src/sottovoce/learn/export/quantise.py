"""A model file with 8-bit weights and products, checked and timed beside the one it was made of."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from sottovoce.audio.parts import sounds
from sottovoce.errors import CorpusError, ModelError
from sottovoce.inference.predictor import Predictor, PreparedRecording, run_network
from sottovoce.learn.corpora import Clip
from sottovoce.models.card import Card
from sottovoce.models.model import Model
from sottovoce.models.model_file import read_model_file, seal
from sottovoce.options import PredictOptions
from sottovoce.system import write_atomically

OPERATORS = ("MatMul", "Gemm", "LSTM", "Conv")
"""What is computed in 8 bits."""

COST = 0.5
"""Percentage points of UAR; what costs less, and is quicker, is offered as the default."""

NOTE = "Its figures are those of {} before its weights were rounded to 8 bits."


@dataclass(frozen=True, slots=True)
class Comparison:
    """A quantised model beside the one it was made of, on labelled clips.

    Attributes:
        clips: that were judged by both.
        agreement: fraction of them in which both find the same emotion likeliest.
        difference: largest of a probability.
        uar: of the model and of the quantised one, 0 to 1.
        milliseconds: median time of the network for a clip, on one thread; the same two.
        size: of the files, bytes; the same two.
    """

    clips: int
    agreement: float
    difference: float
    uar: tuple[float, float]
    milliseconds: tuple[float, float]
    size: tuple[int, int]

    @property
    def points(self) -> float:
        """What it costs: percentage points of UAR, negative where it gains."""
        return 100 * (self.uar[0] - self.uar[1])

    @property
    def is_default(self) -> bool:
        """Whether it costs less than `COST` and is quicker."""
        return self.points < COST and self.milliseconds[1] < self.milliseconds[0]

    def lines(self) -> list[str]:
        """In words, the judgement last."""
        (uar, uar8), (ms, ms8), (size, size8) = self.uar, self.milliseconds, self.size
        if self.is_default:
            verdict = f"It costs less than {COST} points and is quicker: use it by default."
        elif self.points < COST:
            verdict = "Keep the model as it is: in 8 bits it is no quicker here."
        else:
            verdict = f"Keep the model as it is: 8 bits cost {self.points:.1f} points."
        return [
            f"{self.clips} clips: the same emotion in {100 * self.agreement:.1f} %; probabilities "
            f"differ by {self.difference:.3f} at most",
            f"UAR {100 * uar:.1f} % as it was, {100 * uar8:.1f} % in 8 bits "
            f"({round(-self.points, 1) + 0.0:+.1f} points)",
            f"network: {ms:.1f} ms a clip as it was, {ms8:.1f} ms in 8 bits, one thread; "
            f"{size / 1e6:.1f} MB and {size8 / 1e6:.1f} MB",
            verdict,
        ]


def quantise(source: Path, out: Path) -> None:
    """Write a model file with 8-bit weights, made of another.

    The products of `OPERATORS` are computed in unsigned 8-bit integers, whose range is found for
    each input as it comes (dynamic quantisation, by ONNX Runtime's tools). The front end, up to its
    first logarithm, stays as it is: its range is that of powers.

    Args:
        source: the model file.
        out: what is written, whole or not at all; its model is called as before, with "-int8".

    Raises:
        ModelError: the model is refused, stands on an encoder, or has nothing to quantise.
    """
    data, card = read_model_file(source)
    if card.encoder is not None:
        raise ModelError(
            f"{card.title} stands on the encoder {card.encoder.name}, where nearly all its time "
            "goes and which is not in its file; 8 bits would gain nothing"
        )
    name = f"{card.name}-int8"
    quantised = card.model_copy(
        update={"name": name, "limits": (*card.limits, NOTE.format(card.title))}
    )
    graph = int8_graph(data)
    write_atomically(out, seal(graph, Card.model_validate(quantised.model_dump()).to_json()))


def int8_graph(data: bytes) -> bytes:
    """The serialised graph of a model, in 8 bits and without its metadata.

    Raises:
        ModelError: it has nothing to quantise.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(data)
    del model.metadata_props[:], model.graph.value_info[:]
    _in_single_precision(model)
    for number, node in enumerate(model.graph.node):
        node.name = f"node{number}"
    front_end = _before_first_logarithm(model)
    ahead = [node for node in model.graph.node if node.name not in front_end]
    if not any(node.op_type in OPERATORS for node in ahead):
        raise ModelError(f"the model has no {', '.join(OPERATORS)} to compute in 8 bits")
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "model.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, given)
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # it advises a preparation that brings nothing here
        try:
            quantize_dynamic(
                given,
                made,
                op_types_to_quantize=list(OPERATORS),
                nodes_to_exclude=front_end,
                weight_type=QuantType.QUInt8,  # signed ones saturate where there is no VNNI
            )
        finally:
            logging.disable(before)
        return made.read_bytes()


def compare(
    source: Path,
    quantised: Path,
    clips: Sequence[Clip],
    report: Callable[[str, float, float | None], None] = lambda what, done, total: None,
) -> Comparison:
    """Run a model and its quantised twin on labelled clips, in turns.

    Args:
        source: the file of the model.
        quantised: that of the other.
        clips: those whose emotion the model does not know are left out, as are those without
            speech.
        report: called after each clip.

    Raises:
        CorpusError: no clip is left.
    """
    models = [Model.open(source), Model.open(quantised)]
    predictor = Predictor(models[0].card, PredictOptions())
    labels = models[0].labels
    truth: list[int] = []
    rows: list[list[list[float]]] = [[], []]
    times: list[list[float]] = [[], []]
    known = [clip for clip in clips if clip.emotion in labels]
    for clip, sound in zip(known, sounds([clip.part for clip in known]), strict=True):
        report("comparing", len(truth), len(known))
        prepared = predictor.preprocess(sound)
        if not isinstance(prepared, PreparedRecording):
            continue
        truth.append(labels.index(clip.emotion))
        for model, found, taken in zip(models, rows, times, strict=True):
            start = time.perf_counter()
            prediction = run_network(predictor, model.probabilities, prepared)
            taken.append(time.perf_counter() - start)
            found.append(list(prediction.probabilities.values()))
    if not truth:
        raise CorpusError(
            f"no clip with speech and an emotion that {models[0].card.title} knows "
            f"({', '.join(labels)}); give others with --data"
        )
    before, after = (np.array(each) for each in rows)
    return Comparison(
        clips=len(truth),
        agreement=float((before.argmax(axis=1) == after.argmax(axis=1)).mean()),
        difference=float(np.abs(before - after).max()),
        uar=(_uar(before, truth), _uar(after, truth)),
        milliseconds=(1000 * float(np.median(times[0])), 1000 * float(np.median(times[1]))),
        size=(source.stat().st_size, quantised.stat().st_size),
    )


def _uar(rows: NDArray[np.float64], truth: Sequence[int]) -> float:
    right, of = rows.argmax(axis=1) == np.array(truth), np.array(truth)
    return float(np.mean([right[of == label].mean() for label in np.unique(of)]))


def _in_single_precision(model: onnx.ModelProto) -> None:
    """Bring the weights that the file holds in half precision back, as opening it would."""
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        tensor = held.get(node.input[0]) if node.op_type == "Cast" else None
        if tensor is None or tensor.data_type != TensorProto.FLOAT16:
            kept.append(node)
            continue
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _before_first_logarithm(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes that the first logarithm of a graph is computed from."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    ahead = [node for node in model.graph.node if node.op_type == "Log"][:1]
    found: dict[str, None] = {}
    while ahead:
        node = ahead.pop()
        if node.name not in found:
            found[node.name] = None
            ahead += [made_by[name] for name in node.input if name in made_by]
    return list(found)
