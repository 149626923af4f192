"""What importing costs: nothing heavy, and nothing of the learning half, is loaded by listening."""

import os
import subprocess
import sys

import pytest
from tiny_model import VOICE, write_tiny

import sottovoce

LEARNING = {"torch", "librosa", "sklearn", "pandas", "lightning", "onnx", "matplotlib", "scipy"}
HEAVY = {"numpy", "onnxruntime", "pydantic", "soundfile", "soxr", "typer", "rich"}


def modules_after(code: str) -> set[str]:
    """The top-level modules loaded after `code` ran in a fresh interpreter."""
    report = "\nimport sys; print('\\n', *{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_sottovoce_loads_nothing_heavy():
    assert not modules_after("import sottovoce") & (LEARNING | HEAVY)


def test_predicting_loads_nothing_of_the_learning_half(tmp_path):
    path = write_tiny(tmp_path / "m.onnx")
    loaded = modules_after(
        f"import sottovoce; sottovoce.load({str(path)!r}).predict({str(VOICE)!r})"
    )
    assert "onnxruntime" in loaded
    assert not loaded & LEARNING


def test_the_command_line_loads_nothing_of_the_learning_half(tmp_path):
    path = write_tiny(tmp_path / "m.onnx")
    arguments = ["predict", str(VOICE), "--model", str(path)]
    loaded = modules_after(f"from sottovoce.cli import run; run({arguments!r})")
    assert "onnxruntime" in loaded
    assert not loaded & LEARNING


def test_finding_the_commands_loads_nothing_that_only_one_of_them_needs():
    loaded = modules_after("from sottovoce.cli import run; run(['--version'])")
    assert not loaded & (LEARNING | {"onnxruntime", "soundfile"})


def test_predicting_reports_to_nobody(tmp_path):
    """ONNX Runtime keeps a number of this machine in the home folder where it reports its use."""
    path, home = write_tiny(tmp_path / "m.onnx"), tmp_path / "home"
    home.mkdir()
    code = f"import sottovoce; sottovoce.load({str(path)!r}).predict({str(VOICE)!r})"
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}  # no CI=1, which silences it too
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(home.rglob("*onnxruntime*"))


@pytest.mark.parametrize("name", sottovoce.__all__)
def test_every_public_name_is_there(name):
    assert getattr(sottovoce, name) is not None
    assert name in dir(sottovoce)


def test_any_other_name_is_not():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        sottovoce.lod  # noqa: B018
