"""`undertone corpus`: what is known, what is in a folder, and all in one table."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from undertone.cli import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Three clips of two actors (one stereo, two alike) and a file that is no audio."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 8000)
    folder = tmp_path / "my [ravdess]\nhere"
    folder.mkdir()
    soundfile.write(folder / "03-01-03-01-01-01-01.wav", noise, 8000)
    soundfile.write(folder / "03-01-03-01-01-02-01.wav", noise, 8000)
    stereo = rng.normal(0, 0.1, (4000, 2))
    soundfile.write(folder / "03-01-01-01-01-01-02.wav", stereo, 8000)
    (folder / "03-01-01-01-01-02-02.wav").write_text("no audio")
    return folder


def test_list_names_the_corpora_with_their_licences(capsys: Capture) -> None:
    assert run(["corpus", "list"]) == 0
    shown = capsys.readouterr().out
    assert "ravdess" in shown
    assert "CC-BY-NC-SA-4.0" in shown
    assert run(["corpus", "list", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"ravdess"} <= {record["corpus"] for record in records}


def test_scan_counts_and_says_what_is_wrong(small: Path, capsys: Capture) -> None:
    assert run(["corpus", "scan", "ravdess", str(small)]) == 0
    captured = capsys.readouterr()
    assert captured.err == "", "no bar where nobody looks"
    rows = [line.split() for line in captured.out.splitlines()]
    assert ["neutral", "1", "0", "1"] in rows
    assert ["happy", "0", "2", "2"] in rows
    assert ["all", "1", "2", "3"] in rows
    assert ["ravdess/01", "male", "2", "0.0"] in rows
    assert "0.50 s to 1.00 s, median 1.00 s" in captured.out
    for kind in ("missing: 3", "unreadable: 1", "stereo: 1", "duplicate: 1"):
        assert kind in captured.out.splitlines()
    assert "  03-01-03-01-01-02-01.wav: the same audio as 03-01-03-01-01-01-01.wav" in captured.out
    assert "my [ravdess]\\nhere" in captured.out, "a name is shown as it is, on one line"


def test_scan_gives_the_same_as_json(small: Path, capsys: Capture) -> None:
    assert run(["corpus", "scan", "ravdess", str(small), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["clips"] == 3
    assert record["emotions"] == {"neutral": {"female": 1}, "happy": {"male": 2}}
    assert record["speakers"]["ravdess/02"] == {"sex": "female", "clips": 1, "seconds": 0.5}
    assert record["seconds"] == {"min": 0.5, "median": 1.0, "max": 1.0, "total": 2.5}
    kinds = [problem["kind"] for problem in record["problems"]]
    assert sorted(kinds) == ["duplicate", "missing", "missing", "missing", "stereo", "unreadable"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["savings", "."], "no corpus is called 'savings'; known: "),
        (["ravdess", "no/such/folder"], "no/such/folder: no such folder"),
    ],
)
def test_a_mistake_gets_one_line_and_status_2(
    arguments: list[str], message: str, capsys: Capture
) -> None:
    assert run(["corpus", "scan", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"undertone: {message}")
    assert captured.err.count("\n") == 1


def test_a_folder_without_audio_gets_one_line(tmp_path: Path, capsys: Capture) -> None:
    assert run(["corpus", "scan", "ravdess", str(tmp_path)]) == 2
    assert "no audio file in this folder or below it" in capsys.readouterr().err


@pytest.fixture
def savee(tmp_path: Path) -> Path:
    folder = tmp_path / "AudioData" / "DC"
    folder.mkdir(parents=True)
    soundfile.write(folder / "sa07.wav", np.random.default_rng(1).normal(0, 0.1, 4000), 8000)
    return folder.parent


@pytest.mark.parametrize(("name", "separator"), [("clips.csv", ","), ("clips.tsv", "\t")])
def test_table_puts_the_clips_of_all_corpora_into_one_file(
    small: Path, savee: Path, tmp_path: Path, capsys: Capture, name: str, separator: str
) -> None:
    out = tmp_path / name
    folders = ["--data", f"ravdess={small}", "--data", f"savee={savee}"]
    assert run(["corpus", "table", *folders, "--out", str(out)]) == 0
    assert "4 clips of 2 corpora" in capsys.readouterr().out
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=separator))
    assert rows[-1] == {
        "corpus": "savee",
        "emotion": "sad",
        "speaker": "savee/DC",
        "sex": "male",
        "file": "AudioData/DC/sa07.wav",
        "intensity": "",
        "text": "",
        "language": "en",
        "duration": "0.500",
    }
    assert [row["corpus"] for row in rows] == ["ravdess"] * 3 + ["savee"]
    assert all((out.parent / row["file"]).is_file() for row in rows)


def test_a_table_that_cannot_be_written_gets_one_line(
    savee: Path, tmp_path: Path, capsys: Capture
) -> None:
    for out, message in (("clips.xls", "ends in .csv or .tsv"), ("no/clips.csv", "cannot write")):
        data = ["--data", f"savee={savee}", "--out", str(tmp_path / out)]
        assert run(["corpus", "table", *data]) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.count("\n") == 1
