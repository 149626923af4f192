"""`sottovoce profile`, and the commands that judge with what it makes."""

import json
from pathlib import Path

import pytest
from tiny_model import VOICE, write_tiny, write_tiny_profiled

import sottovoce
from sottovoce.cli import run
from sottovoce.inference.profile import Profile


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(write_tiny_profiled(tmp_path / "profiled.onnx"))


def test_a_profile_is_made_and_used(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "anna.profile")
    made = ["profile", str(VOICE), str(VOICE), "-o", out, "--kind", "normal", "--model", model]
    assert run(made) == 0
    assert "a normal profile of 2 recordings" in capsys.readouterr().out
    expected = sottovoce.load(model).predict(VOICE, profile=Profile.load(out))
    assert run(["predict", str(VOICE), "--json", "--profile", out, "--model", model]) == 0
    assert json.loads(capsys.readouterr().out)["probabilities"] == dict(expected.probabilities)
    assert run(["timeline", str(VOICE), "--json", "--profile", out, "--model", model]) == 0
    assert run(["timeline", str(VOICE), "--json", "--same-voice", "--model", model]) == 0


def test_what_cannot_be_used_is_named(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "anna.profile"
    assert (
        run(["profile", str(VOICE), str(tmp_path / "no.wav"), "-o", str(out), "--model", model])
        == 1
    )
    error = capsys.readouterr().err
    assert "no.wav" in error
    assert "8 or more are better" in error
    assert Profile.load(out).recordings == 1
    plain = str(write_tiny(tmp_path / "tiny.onnx"))
    assert run(["profile", str(VOICE), "-o", str(out), "--model", plain]) == 2
    assert "tiny 1.0 takes no profile" in capsys.readouterr().err


def test_recordings_of_one_person_are_judged_against_all_of_them(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = sottovoce.load(model)
    assert run(["predict", str(VOICE), "--same", "person", "--json", "--model", model]) == 0
    printed = capsys.readouterr()
    assert "judged against 1 recordings of one person" in printed.err
    expected = loaded.predict(VOICE, profile=loaded.profile([VOICE], "mixed"))
    assert json.loads(printed.out)["probabilities"] == dict(expected.probabilities)
    assert run(["predict", "-", "--same", "place", "--model", model]) == 2
    assert run(["predict", str(VOICE), "--same", "place", "--profile", "x", "--model", model]) == 2
