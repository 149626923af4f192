"""`sottovoce adapt`: a table in, a model out, or a line that says why not."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import RATE, VOICE, write_tiny_profiled

import sottovoce
from sottovoce.audio import Audio
from sottovoce.cli import run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    voice = Audio.read(VOICE, sample_rate=RATE).mono().samples[0]
    rows = ["file,emotion"]
    for number in range(10):
        gruff = number % 2 == 0
        samples = voice if gruff else np.convolve(voice, [1, -0.9], "same")
        soundfile.write(tmp_path / f"{number}.wav", (0.5 + 0.04 * number) * samples, RATE)
        rows.append(f"{number}.wav,{'gruff' if gruff else 'bright'}")
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(write_tiny_profiled(tmp_path / "profiled.onnx"))


def test_a_model_of_ones_own_is_written(
    table: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.onnx"
    assert run(["adapt", str(table), "-o", str(out), "--model", model]) == 0
    printed = capsys.readouterr().out
    assert "UAR 100 %" in printed
    assert "chance is 50 %" in printed
    assert sottovoce.load(out).predict(tmp_path / "0.wav").emotion == "gruff"
    assert run(["models", str(out)]) == 0
    assert "adapted to 10 recordings" in " ".join(capsys.readouterr().out.split())


def test_nothing_is_written_where_it_does_not_help(
    table: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voice = Audio.read(VOICE, sample_rate=RATE).mono().samples[0]
    for number in range(10):
        soundfile.write(tmp_path / f"{number}.wav", 0.5 * voice, RATE)
    assert run(["adapt", str(table), "-o", str(tmp_path / "no.onnx"), "--model", model]) == 1
    assert "It did not help, so nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "no.onnx").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,emotion\n", "the table has no rows"),
        ("path,mood\na.wav,b\n", "no column 'file'; there are path, mood; name the right one"),
        ("file,emotion\nbad.csv,\n", "no clip with a label and a recording (1 without a label"),
        ("file,emotion\nmissing.wav,a\n", "line 2: missing.wav is not there"),
        ("file,emotion\nbad.csv,a\n", "0 labels among 0 recordings"),
    ],
)
def test_a_table_that_cannot_be_used_is_said_in_one_line(
    model: str, tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    arguments = ["adapt", str(tmp_path / "bad.csv"), "-o", str(tmp_path / "x.onnx")]
    assert run([*arguments, "--model", model]) == 2
    assert said in capsys.readouterr().err
