"""Sottovoce as it is installed from a wheel, used in an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sottovoce.models.registry import FOLDER_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
MODELS = {file.stem for file in (ROOT / "models").glob("*.onnx")}
RECIPES = {file.stem for file in (ROOT / "recipes").rglob("*.toml")}
VOICE = ROOT / "samples" / "lively-voice.wav"


def test_it_has_all_that_it_needs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    data = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert {"sottovoce/vad/silero.onnx", "sottovoce/serve/page/vendor/wavesurfer.js"} <= data
    assert data <= names
    shipped = {Path(name).stem for name in names if name.startswith("sottovoce/recipes/")}
    assert shipped == RECIPES
    assert all(name.split("/")[0] in {"sottovoce"} or ".dist-info/" in name for name in names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """The folder that commands are run in."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def run(installed: Path, folder: Path, *arguments: str, **variables: str) -> str:
    """What a command prints that is run from the wheel, and nothing of the checkout."""
    environment = {key: value for key, value in os.environ.items() if key != FOLDER_VARIABLE}
    done = subprocess.run(
        [sys.executable, installed / "bin" / "sottovoce", *arguments],
        env=environment | {"PYTHONPATH": str(installed)} | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(text: str) -> set[str]:
    """The first words of the rows of a table."""
    return {line.split()[0] for line in text.splitlines()[1:]}


def test_the_recipes_are_there(installed: Path, empty: Path) -> None:
    assert listed(run(installed, empty, "recipes")) == RECIPES
    assert run(installed, empty, "recipes", "copy", "b-svm") == "b-svm.toml\n"
    assert (empty / "b-svm.toml").read_bytes() == (ROOT / "recipes/b-svm.toml").read_bytes()


def test_models_are_found_where_they_are(installed: Path, empty: Path) -> None:
    assert listed(run(installed, empty, "models")) == {"sottovoce-small"}
    folders = os.pathsep.join([str(empty), str(ROOT / "models")])
    variables = {FOLDER_VARIABLE: folders}
    assert listed(run(installed, empty, "models", **variables)) == MODELS | {"sottovoce-small"}
    said = run(installed, empty, "predict", str(VOICE), "--model", "b-svm", **variables)
    assert said.rstrip().endswith("Model: b-svm 1.")
    (empty / "models").mkdir()
    (empty / "models" / "mine.onnx").symlink_to(ROOT / "models" / "b-svm.onnx")
    assert listed(run(installed, empty, "models")) == {"mine", "sottovoce-small"}


def test_the_cache_can_be_seen(installed: Path, empty: Path) -> None:
    assert run(installed, empty, "cache", SOTTOVOCE_CACHE="kept") == "kept: 0.0 MB\n"
