"""`sottovoce encoder`, and how `sottovoce models` shows a model that stands on one."""

import json
from pathlib import Path

import pytest
from tiny_encoder_model import INFO, write_tiny_encoder, write_tiny_head
from tiny_model import write_tiny

from sottovoce.cli import run
from sottovoce.models.encoder import encoder_file
from sottovoce.models.registry import FOLDER_VARIABLE


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    return write_tiny_head(tmp_path / "tiny.onnx")


def test_the_list_names_the_encoder_beside_the_size(
    head: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["models"]) == 0
    (line,) = [line for line in capfd.readouterr().out.splitlines() if line.startswith("tiny")]
    assert "MB + nobody/tiny-encoder" in line


def test_a_card_says_whether_the_encoder_is_here_and_how_to_make_it(
    head: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "tiny"]) == 0
    out = capfd.readouterr().out
    assert f"{INFO.name}, not here yet; make it with: sottovoce encoder {head}" in out
    made = write_tiny_encoder()
    assert run(["models", "tiny"]) == 0
    out = capfd.readouterr().out
    assert f"{INFO.name}, in {made}" in out
    assert "sottovoce encoder" not in out


def test_json_holds_all_that_is_known_of_the_encoder(
    head: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(["models", "tiny", "--json"])
    assert json.loads(capfd.readouterr().out)["encoder"] == json.loads(INFO.to_json())


def test_an_encoder_that_is_here_is_not_made_again(
    head: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = write_tiny_encoder()
    before = made.stat().st_mtime_ns
    assert run(["encoder", "tiny"]) == 0
    assert f"The encoder {INFO.name} is in {made}" in capfd.readouterr().out
    assert made.stat().st_mtime_ns == before


def test_a_whole_model_needs_none(
    head: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["encoder", str(write_tiny(tmp_path / "whole.onnx"))]) == 0
    assert "stands on no encoder" in capfd.readouterr().out


def test_a_folder_that_is_not_there_is_one_line(
    head: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["encoder", "tiny", "--from", str(tmp_path / "nowhere")]) == 2
    assert capfd.readouterr().err == (
        f"sottovoce: {tmp_path / 'nowhere'}: no such folder; name the encoder's\n"
    )


def test_the_wrong_weights_are_refused(
    head: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "empty").mkdir()
    assert run(["encoder", "tiny", "--from", str(tmp_path / "empty")]) == 2
    err = capfd.readouterr().err
    assert "no model.safetensors" in err
    assert err.count("\n") == 1
    assert not encoder_file(INFO).exists()
