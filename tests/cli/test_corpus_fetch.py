"""`sottovoce corpus fetch` shows the licence, asks, and says how it went."""

import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive_server import ArchiveServer, serving

from sottovoce.cli import run
from sottovoce.learn.corpora import Archive, _fetch, savee, tess

Capture = pytest.CaptureFixture[str]


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
    assert captured.err == f"sottovoce: savee: {savee.SOURCE.instructions}\n"
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
