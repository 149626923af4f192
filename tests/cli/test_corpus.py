"""`sottovoce corpus`: what is known, what is in a folder, all in one table, and fetching."""

import csv
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from archive_server import ArchiveServer, serving

from sottovoce.cli import run
from sottovoce.cli._corpus_options import parse_data
from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Archive, CorpusScan, _fetch, scan, tess
from sottovoce.learn.corpora import savee as savee_corpus
from sottovoce.options import TableSpec

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
    assert captured.err.startswith(f"sottovoce: {message}")
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
        "start": "",
        "end": "",
    }
    assert [row["corpus"] for row in rows] == ["ravdess"] * 3 + ["savee"]
    assert all((out.parent / row["file"]).is_file() for row in rows)


def test_a_table_of_real_clips_is_the_same_clips_when_it_is_read(
    ravdess: Path, tmp_path: Path, capsys: Capture
) -> None:
    folder = tmp_path / "three actors"
    folder.mkdir()
    for actor in ("01", "02", "24"):
        for path in ravdess.rglob(f"03-01-0[2-5]-01-0?-01-{actor}.*"):
            (folder / path.name).symlink_to(path)
    out = tmp_path / "tables" / "clips.tsv"
    out.parent.mkdir()
    data = ["--data", f"ravdess={folder}", "--out", str(out)]
    assert run(["corpus", "table", *data]) == 0
    first, again = scan("ravdess", folder), scan("table", out)
    assert len(first.clips) == 24

    def facts(found: CorpusScan) -> list[tuple[object, ...]]:
        return [
            (clip.path.name, clip.emotion, clip.sex, clip.speaker[-10:], clip.duration, clip.digest)
            for clip in found.clips
        ]

    assert facts(again) == facts(first)
    assert {clip.speaker for clip in again.clips} == {
        f"table/ravdess/{actor}" for actor in ("01", "02", "24")
    }
    capsys.readouterr()
    assert run(["corpus", "scan", "table", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["emotions"] == {
        "calm": {"male": 2, "female": 4},
        "happy": {"male": 2, "female": 4},
        "sad": {"male": 2, "female": 4},
        "angry": {"male": 2, "female": 4},
    }


@pytest.fixture
def own_table(tmp_path: Path) -> Path:
    """Numbers for labels, names of one's own for columns, clips beside the table."""
    (tmp_path / "audio").mkdir()
    for name in "ab":
        sound = np.random.default_rng(ord(name)).normal(0, 0.1, 4000)
        soundfile.write(tmp_path / "audio" / f"{name}.wav", sound, 8000)
    file = tmp_path / "mine.csv"
    file.write_text("wav,y,who,gender,part\naudio/a.wav,1,ann,F,train\naudio/b.wav,0,bob,M,test\n")
    return file


COLUMNS = [
    *("--path-column", "wav", "--label-column", "y", "--speaker-column", "who"),
    *("--sex-column", "gender", "--split-column", "part", "--numbers", "sad, happiness"),
]


def test_scan_takes_the_columns_of_a_table(own_table: Path, capsys: Capture) -> None:
    assert run(["corpus", "scan", "table", str(own_table), "--json", *COLUMNS]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["emotions"] == {"happy": {"female": 1}, "sad": {"male": 1}}
    assert list(record["speakers"]) == ["table/ann", "table/bob"]


@pytest.mark.parametrize("command", [["corpus", "scan"], ["evaluate"], ["train"]])
def test_each_column_of_a_recipe_s_table_is_an_option(
    command: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    for name, field in TableSpec.model_fields.items():
        is_column = isinstance(field.default, str)
        assert (f"--{name}-column" if is_column else f"--{name.replace('_', '-')}") in shown
        assert field.description is not None
        assert field.description in shown


def test_a_corpus_is_given_by_its_name_and_its_place() -> None:
    given = ["ravdess=a=b", "noise=c", "table=d/mine.csv"]
    assert parse_data(given) == {
        "ravdess": Path("a=b"),
        "noise": Path("c"),
        "table": Path("d/mine.csv"),
    }


def test_several_tables_are_corpora_of_their_own_names() -> None:
    given = ["table=a/mine.csv", "ravdess=r", "table=b/yours.tsv"]
    assert list(parse_data(given)) == ["table/mine", "ravdess", "table/yours"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["ravdess"], "--data 'ravdess': expected a corpus and its folder, like ravdess=DIR"),
        (["=x"], "--data '=x': expected a corpus and its folder"),
        (["ravdess="], "--data 'ravdess=': expected a corpus and its folder"),
        (
            ["ravdess=a", "savee=s", "ravdess=b"],
            "--data ravdess=b: ravdess is also a; give each corpus once",
        ),
        (
            ["table=a/x.csv", "table=b/x.tsv"],
            "--data table=b/x.tsv: table/x is also a/x.csv; rename one of the two files",
        ),
    ],
)
def test_what_is_not_one_folder_of_one_corpus_is_one_line(given: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=re.escape(message)):
        parse_data(given)


def test_speakers_of_two_tables_are_different_people(own_table: Path, capsys: Capture) -> None:
    """The second one stood for both, in silence."""
    other = own_table.with_name("other.csv")
    own_table.write_text("file,emotion,speaker\naudio/b.wav,sad,ann\n")
    other.write_text("file,emotion,speaker\naudio/a.wav,happy,ann\n")
    out = own_table.with_name("all.csv")
    data = ["--data", f"table={own_table}", "--data", f"table={other}"]
    assert run(["corpus", "table", *data, "--out", str(out)]) == 0
    with out.open(newline="") as file:
        rows = [(row["corpus"], row["speaker"], row["file"]) for row in csv.DictReader(file)]
    assert rows == [
        ("table/mine", "table/mine/ann", "audio/b.wav"),
        ("table/other", "table/other/ann", "audio/a.wav"),
    ]


@pytest.mark.parametrize(
    ("options", "text", "message"),
    [
        ([], "", "no column 'file'; there are wav, y, who, gender, part; name the right one"),
        (COLUMNS[:2], "", "no column 'emotion'; there are wav, y, who, gender, part; name"),
        (COLUMNS[:4], "", "line 2: label 1 is a number with no emotion; list the emotions"),
        (COLUMNS, "audio/c.wav,1,,,\n", "line 4: audio/c.wav is not there; paths are taken"),
        (
            COLUMNS,
            "audio/a.wav,glad,,,\n",
            "1 clip has more than one label: audio/a.wav is happy in line 2, glad in line 4; keep",
        ),
        ([*COLUMNS, "--rate", "0"], "", "rate is 0.0; expected more than 0"),
        ([*COLUMNS, "--map", "happy"], "", "'happy': expected a pair, such as exc=happy"),
        ([*COLUMNS, "--speaker-column", "whom"], "", "no column 'whom'; there are wav, y, who"),
    ],
)
def test_a_bad_table_is_one_line(
    own_table: Path, capsys: Capture, options: list[str], text: str, message: str
) -> None:
    own_table.write_text(own_table.read_text() + text)
    assert run(["corpus", "scan", "table", str(own_table), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_columns_are_for_tables_alone(small: Path, capsys: Capture) -> None:
    assert run(["corpus", "scan", "ravdess", str(small), "--label-column", "y"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "columns are named for a table, and here is ravdess" in line


def test_a_table_that_cannot_be_written_gets_one_line(
    savee: Path, tmp_path: Path, capsys: Capture
) -> None:
    for out, message in (("clips.xls", "ends in .csv or .tsv"), ("no/clips.csv", "cannot write")):
        data = ["--data", f"savee={savee}", "--out", str(tmp_path / out)]
        assert run(["corpus", "table", *data]) == 2
        captured = capsys.readouterr()
        assert message in captured.err
        assert captured.err.count("\n") == 1


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    monkeypatch.setattr(_fetch, "RETRIES", 0)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("OAF_back_angry.wav", b"sound")
    with serving(ArchiveServer(packed.getvalue())) as server:
        source = Archive(server.url, "https://page", size=len(server.content))
        monkeypatch.setattr(tess, "SOURCE", source)
        yield server


class Keyboard(io.StringIO):
    """Somebody at a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_licence_comes_first_and_what_is_missing_is_said(
    server: ArchiveServer, tmp_path: Path, capsys: Capture
) -> None:
    assert run(["corpus", "fetch", "tess", str(tmp_path / "tess"), "--yes"]) == 0
    captured = capsys.readouterr()
    about, licence, *missing = captured.err.splitlines()
    assert about.startswith("TESS: two women say")
    assert licence == "Licence: CC-BY-NC-ND-4.0; see https://page (0 MB)"
    assert missing[-1] == "sottovoce: tess: 199 words missing everywhere: 1 of 200"
    assert captured.out == f"{tmp_path / 'tess'}: 1 clips of tess\n"


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 2), ("\n", 2)])
def test_a_person_is_asked(
    server: ArchiveServer,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    status: int,
) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(answer))
    assert run(["corpus", "fetch", "tess", str(tmp_path / "tess")]) == status
    captured = capsys.readouterr()
    assert "CC-BY-NC-ND-4.0" in captured.err
    assert f"Accept it, and fetch into {tmp_path / 'tess'}?" in captured.err
    assert (tmp_path / "tess").exists() == (status == 0)
    assert bool(server.requests) == (status == 0)
    if status:
        assert "the licence of tess was not accepted; nothing was fetched" in captured.err


def test_without_a_person_yes_has_to_be_said(
    server: ArchiveServer, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run(["corpus", "fetch", "tess", str(tmp_path / "tess")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "sottovoce: tess has the licence CC-BY-NC-ND-4.0, see https://page; nobody is here to "
        "accept it, so add --yes"
    )
    assert not server.requests


def test_a_corpus_given_on_request_says_where_to_ask(tmp_path: Path, capsys: Capture) -> None:
    assert run(["corpus", "fetch", "savee", str(tmp_path / "savee"), "--yes"]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"sottovoce: savee: {savee_corpus.SOURCE.instructions}\n"
    assert "register" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        ("tes", "new", "no corpus is called 'tes'; known: "),
        ("tess", "", "something is here already; give a new or an empty folder"),
        ("tess", "gone", "answered 404 Not Found"),
        ("tess", "cut", "run the same command again"),
    ],
)
def test_what_goes_wrong_is_the_last_line(
    server: ArchiveServer, tmp_path: Path, capsys: Capture, name: str, folder: str, message: str
) -> None:
    (tmp_path / "mine").write_text("")
    if folder == "gone":
        server.statuses = [404]
    elif folder == "cut":
        server.cuts = [10]
    assert run(["corpus", "fetch", name, str(tmp_path / folder), "--yes"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err.splitlines()[-1]
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_the_list_says_what_can_be_fetched(capsys: Capture) -> None:
    assert run(["corpus", "list", "--json"]) == 0
    shown = capsys.readouterr().out
    assert '"corpus": "ravdess", "licence": "CC-BY-NC-SA-4.0", "fetch": true' in shown
    assert '"page": "https://zenodo.org/records/1188976"' in shown
    assert '"corpus": "savee", "licence": "for research only' in shown
