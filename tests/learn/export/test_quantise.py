"""A model in 8 bits: the front end stays, the answers nearly do, and the judgement is printed."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_encoder_model import write_tiny_head
from tiny_model import LABELS, VOICE, tiny_card, write_tiny
from typer.testing import CliRunner

from sottovoce.cli import _app
from sottovoce.errors import CorpusError, ModelError
from sottovoce.learn.export.quantise import Comparison, int8_graph, quantise
from sottovoce.models.model import Model

runner = CliRunner()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two sample recordings and one label that the model does not know."""
    samples = VOICE.parent
    rows = [(VOICE, "happy"), (samples / "stern-voice.wav", "angry"), (VOICE, "bored")]
    path = tmp_path / "mine.csv"
    path.write_text("file,emotion\n" + "".join(f"{file},{label}\n" for file, label in rows[:2]))
    return path


def test_what_is_after_the_front_end_is_in_8_bits_and_says_nearly_the_same(tiny: Path) -> None:
    out = tiny.with_name("eight.onnx")
    quantise(tiny, out)
    before, after = Model.open(tiny), Model.open(out)
    assert after.card.name == "tiny-int8"
    assert after.labels == before.labels
    assert any("rounded to 8 bits" in limit for limit in after.card.limits)
    kinds = [node.op_type for node in onnx.load(out).graph.node]
    assert "Conv" in kinds  # of the front end
    assert "MatMulInteger" in kinds
    assert "MatMul" not in kinds
    batch = np.random.default_rng(0).normal(0, 0.1, (5, 16_000)).astype(np.float32)
    assert after.probabilities(batch) == pytest.approx(before.probabilities(batch), abs=0.05)


def test_half_precision_weights_are_computed_in_8_bits_too(tmp_path: Path) -> None:
    def halve(model: onnx.ModelProto) -> None:
        (weights,) = [each for each in model.graph.initializer if each.name == "weights"]
        values = onnx.numpy_helper.to_array(weights).astype(np.float16)
        weights.CopyFrom(onnx.numpy_helper.from_array(values, "half"))
        cast = onnx.helper.make_node("Cast", ["half"], ["weights"], to=onnx.TensorProto.FLOAT)
        model.graph.node.insert(0, cast)

    path = write_tiny(tmp_path / "half.onnx", change=halve)
    kinds = [
        node.op_type for node in onnx.load_from_string(int8_graph(path.read_bytes())).graph.node
    ]
    assert "MatMulInteger" in kinds


def test_the_command_writes_it_and_judges(tiny: Path, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "tiny-int8.onnx"
    command = ["export", str(tiny), "--to", "onnx-int8", "--out", str(tmp_path)]
    result = runner.invoke(_app("export"), [*command, "--data", f"table={table}"])
    assert result.exit_code == 0, result.output
    assert "2 clips: the same emotion in" in result.stdout
    assert "ms in 8 bits" in result.stdout
    assert result.stdout.splitlines()[-1].startswith(("It costs less than", "Keep the model as"))
    assert Model.open(out).labels == LABELS


@pytest.mark.parametrize(
    ("uar", "ms", "words"),
    [
        ((0.70, 0.699), (9.0, 5.0), "use it by default"),
        ((0.70, 0.699), (5.0, 9.0), "it is no quicker here"),
        ((0.70, 0.69), (9.0, 5.0), "8 bits cost 1.0 points"),
    ],
)
def test_it_is_the_default_only_where_it_costs_little_and_is_quicker(
    uar: tuple[float, float], ms: tuple[float, float], words: str
) -> None:
    found = Comparison(100, 0.99, 0.01, uar, ms, (2, 1))
    assert words in found.lines()[-1]
    assert found.is_default == ("by default" in words)


def test_what_cannot_be_quantised_or_compared_is_one_line(
    tmp_path: Path, table: Path, tiny: Path
) -> None:
    card = tiny_card(labels=("bored", "tired", "busy", "gone"))
    other = write_tiny(tmp_path / "other.onnx", card=card)
    command = ["export", str(other), "--to", "onnx-int8", "--out", str(tmp_path)]
    result = runner.invoke(_app("export"), [*command, "--data", f"table={table}"])
    assert isinstance(result.exception, CorpusError)
    assert "no clip with speech and an emotion that tiny 1.0 knows" in str(result.exception)
    wrong = runner.invoke(_app("export"), ["export", str(tiny), "--to", "onnx-int4"])
    assert wrong.exit_code == 2


def test_a_model_on_an_encoder_is_refused(tmp_path: Path) -> None:
    path = write_tiny_head(tmp_path / "encoded.onnx")
    with pytest.raises(ModelError, match=r"stands on the encoder .* 8 bits would gain nothing"):
        quantise(path, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
