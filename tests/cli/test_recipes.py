"""`sottovoce recipes`: the list, and copies."""

import json
import tomllib
from pathlib import Path

import pytest

from sottovoce.cli import run

RECIPES = sorted((Path(__file__).resolve().parents[2] / "recipes").rglob("*.toml"))


def test_every_recipe_has_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes"]) == 0
    lines = capfd.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == sorted(file.stem for file in RECIPES)
    assert run(["recipes", "--json"]) == 0
    described = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    for line, recipe in zip(lines, described, strict=True):
        assert line.endswith(recipe["description"])


def test_a_copy_is_the_recipe_and_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["recipes", "copy", "b-svm"]) == 0
    assert capfd.readouterr().out == "b-svm.toml\n"
    (original,) = (file for file in RECIPES if file.stem == "b-svm")
    assert (tmp_path / "b-svm.toml").read_bytes() == original.read_bytes()
    (tmp_path / "b-svm.toml").write_text("mine")
    assert run(["recipes", "copy", "b-svm"]) == 2
    assert capfd.readouterr().err == (
        "sottovoce: b-svm.toml is there already; name another file, or remove it\n"
    )
    assert (tmp_path / "b-svm.toml").read_text() == "mine"
    (tmp_path / "folder").mkdir()
    for target in ("other.toml", "folder"):
        assert run(["recipes", "copy", "sottovoce-small", target]) == 0
    for copied in ("other.toml", "folder/sottovoce-small.toml"):
        assert tomllib.loads((tmp_path / copied).read_text())["name"] == "sottovoce-small"


def test_an_unknown_recipe_lists_the_known_ones(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "copy", "b-smv"]) == 2
    error = capfd.readouterr().err
    assert error.startswith("sottovoce: no recipe is called 'b-smv'; known: a-cnn-lstm, ")
    assert error.count("\n") == 1
