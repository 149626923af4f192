"""The notebooks run from end to end, and without their corpora say so in one line."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import soundfile
from tiny_corpus import write_corpus

import sottovoce

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
CREMAD = ("1001_DFA_ANG_XX", "1001_IEO_SAD_HI", "1002_TIE_HAP_LO", "1040_DFA_NEU_XX")
"""Clips of CREMA-D, by its published names."""


def execute(
    name: str, folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a notebook in a folder, as `make notebooks` does."""
    for variable, value in {"SOTTOVOCE_DATA": str(data), **variables}.items():
        monkeypatch.setenv(variable, value)
    command = [sys.executable, NOTEBOOKS / "run.py", NOTEBOOKS / name]
    return subprocess.run(
        list(map(str, command)), cwd=folder, check=False, capture_output=True, text=True
    )


def said(folder: Path, name: str) -> str:
    """All that the cells of a notebook printed."""
    done = folder / "build" / "notebooks" / name / f"{name}.ipynb"
    outputs = [o for cell in json.loads(done.read_text())["cells"] for o in cell.get("outputs", [])]
    return "".join("".join(output.get("text", [])) for output in outputs)


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """Four corpora of noise, by their published layouts."""
    folder = tmp_path / "corpora"
    write_corpus(folder / "ravdess", speakers=4, repeats=1, emotions=(1, 2, 3, 4, 5, 6, 7, 8))
    names = [f"cremad/AudioWAV/{name}" for name in CREMAD]
    names += [f"tess/OAF_{word}_{mood}" for word in ("back", "bar") for mood in ("angry", "sad")]
    names += [f"savee/DC_{code}01" for code in ("a", "d", "f", "h", "n", "sa", "su")]
    for name in names:
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 8000), 16_000)
    return folder


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_shows(path: Path) -> None:
    nbformat.validate(content := nbformat.read(path, as_version=4))
    for cell in content.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_four_corpora_become_one_table(
    four: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = execute("preprocessing.ipynb", tmp_path, four, monkeypatch)
    assert done.returncode == 0, done.stderr
    assert "left out: none" in said(tmp_path, "preprocessing")
    table = pd.read_csv(tmp_path / "build/notebooks/preprocessing/six-emotions.csv")
    assert list(table.columns) == [
        *("corpus", "emotion", "file", "speaker", "sex", "split", "speaker_split")
    ]
    assert dict(table.corpus.value_counts()) == {"ravdess": 24, "savee": 6, "cremad": 4, "tess": 4}
    assert set(table.emotion) == {"neutral", "happy", "sad", "angry", "fearful", "disgust"}
    assert table.file.is_unique
    assert (table.groupby("speaker").speaker_split.nunique() == 1).all()
    assert set(table.split) == {"train", "validation", "test"}


def test_a_table_of_ravdess_becomes_a_model_file(
    ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tmp_path / "corpora" / "ravdess"
    few.mkdir(parents=True)
    for actor in ("01", "02", "03"):
        for path in sorted(ravdess.rglob(f"03-01-??-01-01-0?-{actor}.*")):
            (few / path.name).symlink_to(path.resolve())
    done = execute("training.ipynb", tmp_path, few.parent, monkeypatch, NOTEBOOK_EPOCHS="1")
    assert done.returncode == 0, done.stderr
    assert "points short" in said(tmp_path, "training")
    made = tmp_path / "build/notebooks/training/run/notebook.onnx"
    assert len(sottovoce.load(made).labels) == 8


@pytest.mark.parametrize("name", ["training.ipynb", "preprocessing.ipynb"])
def test_a_missing_corpus_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = execute(name, tmp_path, tmp_path / "nothing", monkeypatch)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "ravdess" in done.stderr
    assert "set SOTTOVOCE_DATA to the folder of corpora" in done.stderr
