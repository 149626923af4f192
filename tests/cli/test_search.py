"""`sottovoce search` finds a recipe that `sottovoce train` takes; mistakes are one line."""

import sys
from pathlib import Path

import pytest
from tiny_corpus import RECIPE, write_corpus
from typer.testing import CliRunner

from sottovoce.cli import _app, run
from sottovoce.errors import install_line
from sottovoce.learn.recipe.recipe import Recipe

SHORT = RECIPE.replace("epochs = 2", "epochs = 1").replace("seeds = [0, 1]", "seeds = [0]")
SPACE = """
[search]
trials = 2
sampler = "random"
[search.space]
"training.learning_rate" = { low = 1e-3, high = 1e-1, log = true }
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("ravdess"), speakers=6)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SHORT + SPACE)
    return path


def test_from_recipe_to_better_recipe(recipe: Path, corpus: Path, tmp_path: Path) -> None:
    out, runner = tmp_path / "found", CliRunner()
    words = ["search", str(recipe), "--data", f"ravdess={corpus}", "--out", str(out)]
    first = runner.invoke(_app("search"), [*words, "--device", "cpu"])
    assert first.exit_code == 0, first.output
    lines = first.stdout.splitlines()
    assert lines[0].startswith("trial 1 of 2: UAR ")
    assert lines[2].startswith("best of 2: trial ")
    more = runner.invoke(_app("search"), [*words, "--resume", "--trials", "3"])
    assert more.stdout.splitlines()[0].startswith("trial 3 of 3: UAR ")
    best = Recipe.load(out / "best.toml")
    command = ["train", str(out / "best.toml"), "--data", f"ravdess={corpus}", "--folds", "1"]
    assert run([*command, "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "recipe.toml").read_text() == best.text


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--device", "tpu"], "auto, cpu or cuda"),
        (["--protocol", "claimed"], "no protocol called 'claimed'"),
        (["--data", "savee=."], "does not use savee"),
    ],
)
def test_a_mistake_is_one_line(
    recipe: Path,
    corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    complaint: str,
) -> None:
    out = tmp_path / "found"
    first = ["search", str(recipe), "--out", str(out), "--data", f"ravdess={corpus}"]
    assert run([*first, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


def test_nothing_is_read_or_made_when_a_choice_is_wrong(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(SHORT + SPACE.replace("training.", "trainin."))
    out = tmp_path / "found"
    assert run(["search", str(recipe), "--data", f"ravdess={tmp_path}", "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert '"trainin.learning_rate"' in line
    assert not out.exists()


@pytest.mark.parametrize("missing", ["optuna", "tomli_w"])
def test_a_missing_extra_gives_its_install_line(
    recipe: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    for name in [each for each in sys.modules if each.startswith("sottovoce.learn.search")]:
        monkeypatch.delitem(sys.modules, name)
    assert run(["search", str(recipe), "--data", "ravdess=."]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"search needs {missing}; run: " in line
    assert install_line("learn", "search") in line
