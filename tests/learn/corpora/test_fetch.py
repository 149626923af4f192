"""A corpus is fetched whole into a new folder, or not at all; nobody's files are touched."""

import errno
import hashlib
import io
import os
import socket
import stat
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from archive_server import ArchiveServer, serving

from sottovoce.errors import CorpusError, DownloadError
from sottovoce.learn import corpora
from sottovoce.learn.corpora import Archive, ManualDownload, _fetch, tess
from sottovoce.learn.corpora._fetch import fetch, unpack

CLIPS = {
    f"TESS/OAF_{emotion}/OAF_{word}_{emotion}.wav": f"{word} {emotion}".encode() * 2000
    for word in ("back", "bar")
    for emotion in ("angry", "sad")
}


def zipped(members: dict[str, bytes], mode: int = 0) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, data)
    return packed.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def ignore_progress(what: str, done: int, total: int | None) -> None:
    pass


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(folder))
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[ArchiveServer]:
    """The archive of TESS, for this once on this machine; retries do not wait."""
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
    content = zipped(CLIPS)
    with serving(ArchiveServer(content)) as server:
        publish(server, monkeypatch, checksum=md5(content))
        yield server


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"


def publish(
    server: ArchiveServer, monkeypatch: pytest.MonkeyPatch, url: str = "", checksum: str = ""
) -> None:
    source = Archive(url or server.url, "https://page", checksum=checksum)
    monkeypatch.setattr(tess, "SOURCE", source)


def refused(folder: Path, message: str) -> None:
    with pytest.raises(DownloadError, match=message) as caught:
        fetch("tess", folder)
    assert "\n" not in str(caught.value)
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["md5", "sha256", ""])
@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_fetched_is_what_can_be_read(
    server: ArchiveServer,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    chunked: bool,
) -> None:
    server.chunked = chunked
    checksum = hashlib.new(kind, server.content).hexdigest() if kind else ""
    publish(server, monkeypatch, checksum=f"{kind}:{checksum}" if kind else "")
    reports: list[tuple[str, int, int | None]] = []
    folder = tmp_path / "data" / "tess"
    listing = fetch("tess", folder, lambda *report: reports.append(report))
    assert contents(folder) == CLIPS
    assert [clip.path for clip in listing.clips] == sorted(folder / name for name in CLIPS)
    assert list(folder.parent.iterdir()) == [folder]
    assert contents(cache) == {}, "the archive is gone"
    size = None if chunked else len(server.content)
    assert reports[0] == ("fetching", 0, size)
    if size:
        assert ("fetching", size, size) in reports
    unpacked = sum(map(len, CLIPS.values()))
    assert reports[-1] == ("unpacking", unpacked, unpacked)
    assert capfd.readouterr().err == "", "pooch keeps its log to itself"


def test_files_beside_the_target_are_nobody_s_business_but_the_user_s(
    server: ArchiveServer, tmp_path: Path
) -> None:
    """Once such a file was taken for the download: unpacked, and deleted."""
    mine = {
        "tess.zip": zipped({"mine.wav": b"not of TESS"}),
        "tess.zip.part": b"half of something",
        ".tess.unpacking/notes.txt": b"mine",
    }
    for name, data in mine.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    fetch("tess", tmp_path / "tess")
    found = contents(tmp_path)
    assert {name: found[name] for name in mine} == mine
    assert contents(tmp_path / "tess") == CLIPS


def test_an_empty_folder_will_do_and_a_full_one_is_left_alone(
    server: ArchiveServer, tmp_path: Path
) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    assert len(fetch("tess", empty).clips) == 4
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    for taken in (full, full / "notes.txt"):
        with pytest.raises(CorpusError, match="something is here already; give a new"):
            fetch("tess", taken)
    assert contents(full) == {"notes.txt": b"mine"}


def test_two_runs_at_once_do_each_other_no_harm(server: ArchiveServer, tmp_path: Path) -> None:
    server.meeting = threading.Barrier(2)  # both are in the middle of the file
    with ThreadPoolExecutor(2) as pool:
        listings = list(pool.map(lambda name: fetch("tess", tmp_path / name), ("one", "two")))
    assert [len(listing.clips) for listing in listings] == [4, 4]
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == CLIPS


def test_of_two_runs_into_one_folder_one_is_told_that_it_is_taken(
    server: ArchiveServer, tmp_path: Path
) -> None:
    server.meeting = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(fetch, "tess", tmp_path / "tess") for _ in range(2)]
    (error,) = (error for run in runs if (error := run.exception()) is not None)
    assert isinstance(error, CorpusError | DownloadError)
    assert contents(tmp_path) == {f"tess/{name}": data for name, data in CLIPS.items()}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_cut_or_busy_server_is_tried_again(
    server: ArchiveServer, tmp_path: Path, chunked: bool
) -> None:
    server.chunked, server.cuts, server.statuses = chunked, [500], [503]
    reports: list[tuple[str, int, int | None]] = []
    fetch("tess", tmp_path / "tess", lambda *report: reports.append(report))
    assert server.requests == 3
    assert contents(tmp_path / "tess") == CLIPS
    starts = [report for report in reports if report[:2] == ("fetching", 0)]
    assert len(starts) == 2 + chunked, "each try counts from its first byte"


def test_a_server_that_stays_away_is_one_line_and_the_next_run_begins_anew(
    server: ArchiveServer, tmp_path: Path, cache: Path
) -> None:
    server.cuts = [500, 500, 0]
    refused(tmp_path / "tess", r"cannot reach 127.*connection was cut.*run the same command again")
    server.statuses = [500] * 3
    refused(tmp_path / "tess", "cannot reach 127.*it answered 500 Internal Server Error")
    assert contents(cache) == contents(tmp_path) == {}
    assert len(fetch("tess", tmp_path / "tess").clips) == 4


def test_a_server_that_falls_silent_counts_as_cut(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_fetch, "TIMEOUT", 0.1)
    monkeypatch.setattr(_fetch, "RETRIES", 0)
    server.silent = True
    refused(tmp_path / "tess", "cannot reach .*timed out")


def test_a_file_that_is_not_there_is_not_asked_for_again(
    server: ArchiveServer, tmp_path: Path
) -> None:
    server.statuses = [404]
    refused(tmp_path / "tess", r"127\.0\.0\.1:\d+ answered 404 Not Found for http")
    assert server.requests == 1


def test_nobody_there_is_one_line(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # and never listened on
        taken.bind(("127.0.0.1", 0))
        publish(server, monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}/file.zip")
        refused(tmp_path / "tess", r"cannot reach 127\.0\.0\.1:\d+ \(Connection refused\); run")


def test_a_name_that_is_not_known_is_one_line(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    publish(server, monkeypatch, "https://zenodo.org/file.zip")
    monkeypatch.setattr(socket, "getaddrinfo", offline)
    refused(tmp_path / "tess", r"reach zenodo\.org \(Temporary failure in name resolution\)")


def test_an_archive_that_is_not_the_published_one_is_not_unpacked(
    server: ArchiveServer, tmp_path: Path, cache: Path
) -> None:
    published = md5(server.content)
    server.content = server.content[::-1]
    refused(tmp_path / "tess", f"is not what its owner published: .* should be {published}; run")
    assert contents(cache) == {}


@pytest.mark.parametrize("redirect", ["ftp://127.0.0.1/file.zip", "file:///etc/passwd"])
def test_only_the_web_is_fetched_from(server: ArchiveServer, tmp_path: Path, redirect: str) -> None:
    with serving(ArchiveServer(server.content)) as other:
        server.redirect = other.url
        assert len(fetch("tess", tmp_path / "elsewhere").clips) == 4
    server.redirect = redirect
    refused(tmp_path / "tess", "No connection adapters were found for")


def test_https_is_never_left() -> None:
    import requests

    response = requests.Response()
    response.status_code, response.url, response.raw = 200, "http://host/file", io.BytesIO()
    with pytest.raises(DownloadError, match="https://host/file leads to http://host/file, which"):
        _fetch._check_response("https://host/file", response)
    response.url = "https://other/file"
    _fetch._check_response("https://host/file", response)


def test_without_pooch_the_install_line_is_shown(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from sottovoce.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"fetching a corpus needs pooch; run: pip install"):
        fetch("tess", tmp_path / "tess")


@pytest.mark.parametrize("name", ["savee", "cremad", "emospeech", "table"])
def test_what_is_not_for_programs_says_how_to_get_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError, match=f"^{name}: ") as caught:
        fetch(name, tmp_path / "my corpus")
    assert "DIR" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_every_corpus_says_where_to_get_it() -> None:
    for name in corpora.known():
        source = corpora.source(name)
        if isinstance(source, ManualDownload):
            assert corpora.is_own(name) or "http" in source.instructions
            continue
        assert source.url.startswith("https://")
        assert source.page.startswith("https://")
        assert bool(source.checksum) == bool(source.size)
        if source.checksum:
            kind, _, digits = source.checksum.partition(":")
            assert len(digits) == hashlib.new(kind, usedforsecurity=False).digest_size * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>Log in first</html>", "not a whole zip file"),
        (zipped(CLIPS)[:-40], "not a whole zip file"),
        (zipped(CLIPS)[:50] + b"?" + zipped(CLIPS)[51:], "not a whole zip file"),
        (zipped({"../out.wav": b""}), r"it would write to \.\./out\.wav"),
        (zipped({"a/../../out.wav": b""}), "it would write to a/"),
        (zipped({"/top/out.wav": b""}), "it would write to /top"),
        (zipped({"C:\\out.wav": b""}), "it would write to C:"),
        (zipped({"a\\..\\..\\out.wav": b""}), "it would write to a"),
        (zipped({"": b"x"}), "a file in it is called ''"),
        (zipped({"./.": b"x"}), "a file in it is called './.'"),
        (zipped({"a": b"/etc"}, stat.S_IFLNK | 0o777), "a in it is a link"),
    ],
    ids=[
        *("no zip", "end missing", "damaged", "up", "up from below", "absolute", "drive"),
        *("backslashes", "no name", "dots", "link"),
    ],
)
def test_a_bad_archive_is_one_line_and_leaves_nothing(
    tmp_path: Path, content: bytes, message: str
) -> None:
    archive, folder = tmp_path / "c.zip", tmp_path / "inner" / "c"
    archive.write_bytes(content)
    with pytest.raises(DownloadError, match=message) as caught:
        unpack(archive, folder, ignore_progress)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == {"c.zip": content}
    assert list(folder.parent.iterdir()) == []


def test_an_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_fetch, "UNPACKED_LIMIT", 1 << 30)
    packed = zipped({"a.wav": b"", "b.wav": b""})
    at = packed.rindex(b"PK\1\2") + 24  # its size as the directory of the archive has it
    large = (0x7FFF0000).to_bytes(4, "little")
    (tmp_path / "c.zip").write_bytes(packed[:at] + large + packed[at + 4 :])
    with pytest.raises(DownloadError, match="it unpacks to more than 1 GiB"):
        unpack(tmp_path / "c.zip", tmp_path / "c", ignore_progress)


def test_a_disk_that_fills_is_one_line_and_leaves_no_half_corpus(
    server: ArchiveServer, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = zipfile.ZipFile.extract

    def full(self: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> str:
        if "bar" in member.filename:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return extract(self, member, path)

    monkeypatch.setattr(zipfile.ZipFile, "extract", full)
    refused(tmp_path / "tess", r"tess: cannot be written \(No space left on device\); make room")
    assert contents(tmp_path) == contents(cache) == {}


def test_a_cache_that_cannot_be_written_is_one_line(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "file"))
    refused(tmp_path / "tess", "downloads: cannot be written .*make room and run the same command")
