"""A download is whole or not there, goes on after a cut, and fails in one line."""

import hashlib
import os
import random
import re
import socket
from collections.abc import Iterator
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from urllib.request import Request

import pytest
from archive_server import Archive, serving

from sottovoce import transfer
from sottovoce.download import download
from sottovoce.errors import DownloadError

CONTENT = random.Random(0).randbytes(100_000)
MD5 = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(transfer, "WAITS", (0.0, 0.0))
    with serving(Archive(CONTENT)) as archive:
        yield archive


def refused(archive: Archive, target: Path, message: str, **options: object) -> None:
    with pytest.raises(DownloadError, match=message) as caught:
        download(archive.url, target, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("digest", [MD5, SHA256, ""])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_comes_whole_and_leaves_nothing_beside_it(
    archive: Archive, tmp_path: Path, digest: str, chunked: bool
) -> None:
    archive.chunked = chunked
    said: list[tuple[int, int | None]] = []
    target = tmp_path / "new" / "file.zip"
    options = {"digest": digest, "size": len(CONTENT)}
    found = download(archive.url, target, progress=lambda *now: said.append(now), **options)
    assert found == target
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert said[0] == (0, len(CONTENT))
    assert said[-1] == (len(CONTENT), len(CONTENT))


def test_what_is_there_is_not_fetched_again_unless_it_is_not_the_file(
    archive: Archive, tmp_path: Path
) -> None:
    target = tmp_path / "file.zip"
    for _ in range(2):
        download(archive.url, target, digest=MD5)
    assert len(archive.asked) == 1
    target.write_bytes(b"another file")
    download(archive.url, target, digest=MD5)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("chunked", [False, True])
def test_a_cut_connection_is_gone_on_with_at_once(
    archive: Archive, tmp_path: Path, chunked: bool
) -> None:
    archive.chunked = chunked
    archive.cuts = [30_000, 20_000, 0, 10_000]
    assert download(archive.url, tmp_path / "file.zip").read_bytes() == CONTENT
    ranges = [headers.get("range") for headers in archive.asked]
    assert ranges == [None, *(f"bytes={at}-" for at in (30_000, 50_000, 50_000, 60_000))]
    assert archive.asked[1]["if-range"] == '"one"'


def test_a_download_that_was_given_up_is_gone_on_with_by_the_next_run(
    archive: Archive, tmp_path: Path
) -> None:
    target = tmp_path / "file.zip"
    archive.cuts = [30_000, 0, 0]
    refused(archive, target, r"cannot reach 127\.0\.0\.1.*connection was cut.*kept, run the same")
    assert not target.exists()
    assert (tmp_path / "file.zip.part").read_bytes() == CONTENT[:30_000]
    download(archive.url, target)
    assert archive.asked[-1]["range"] == "bytes=30000-"
    assert target.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("changed", ["other file", "no ranges", "no version", "weak version"])
def test_where_it_cannot_go_on_it_begins_again(
    archive: Archive, tmp_path: Path, changed: str
) -> None:
    archive.cuts = [30_000]
    if changed == "other file":
        archive.cuts = [30_000, 0, 0]
        refused(archive, tmp_path / "file.zip", "cannot reach")
        archive.content, archive.tag = CONTENT[::-1], '"two"'
    elif changed == "no ranges":
        archive.ranges = False
    else:
        archive.tag = None if changed == "no version" else 'W/"one"'
    assert download(archive.url, tmp_path / "file.zip").read_bytes() == archive.content
    assert ("range" in archive.asked[-1]) == (changed in ("other file", "no ranges"))


def test_with_a_digest_it_goes_on_though_the_server_names_no_version(
    archive: Archive, tmp_path: Path
) -> None:
    archive.tag = None
    archive.cuts = [30_000]
    assert download(archive.url, tmp_path / "file.zip", digest=MD5).read_bytes() == CONTENT
    assert archive.asked[-1]["range"] == "bytes=30000-"
    assert "if-range" not in archive.asked[-1]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_run_that_was_killed_just_before_the_end_needs_no_byte_more(
    archive: Archive, tmp_path: Path, size: int | None
) -> None:
    (tmp_path / "file.zip.part").write_bytes(CONTENT)
    archive.cuts = [0, 0, 0]
    assert download(archive.url, tmp_path / "file.zip", digest=MD5, size=size)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_part_longer_than_the_file_is_no_part_of_it(
    archive: Archive, tmp_path: Path, size: int | None
) -> None:
    (tmp_path / "file.zip.part").write_bytes(CONTENT + b"more")
    download(archive.url, tmp_path / "file.zip", digest=MD5, size=size)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_wrong_checksum_names_both_and_the_next_try_begins_anew(
    archive: Archive, tmp_path: Path
) -> None:
    target = tmp_path / "file.zip"
    archive.content = CONTENT[::-1]
    found = hashlib.md5(archive.content, usedforsecurity=False).hexdigest()
    refused(archive, target, rf"file\.zip .*its md5 is {found}, expected {MD5[4:]}", digest=MD5)
    assert not list(tmp_path.glob("*.zip*.part"))
    assert not target.exists()
    archive.content = CONTENT
    assert download(archive.url, target, digest=MD5).read_bytes() == CONTENT


def test_a_server_with_another_size_is_not_believed(archive: Archive, tmp_path: Path) -> None:
    target = tmp_path / "file.zip"
    refused(archive, target, "has 100000 bytes under http.*, and 7 were expected", size=7)
    archive.chunked = True
    refused(archive, target, "sends more than the 7 bytes expected", size=7)
    refused(archive, tmp_path / "other", "it has 100000 bytes, expected 100001", size=100_001)
    assert not target.exists()


def test_a_length_that_is_a_lie_gives_no_file(archive: Archive, tmp_path: Path) -> None:
    archive.length, archive.ranges = len(CONTENT) + 1, False
    refused(archive, tmp_path / "file.zip", "the connection was cut")
    archive.length = 50_000
    refused(archive, tmp_path / "other.zip", "its md5 is", digest=MD5)
    assert not list(tmp_path.glob("*.zip"))


def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(
    archive: Archive, tmp_path: Path
) -> None:
    archive.statuses = [503, 429]
    assert download(archive.url, tmp_path / "file.zip").read_bytes() == CONTENT
    archive.statuses, archive.asked = [404], []
    refused(archive, tmp_path / "other.zip", r"127\.0\.0\.1:\d+ answered 404 Not Found for http")
    assert len(archive.asked) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "file.zip"], "nothing came, nothing stays"
    archive.statuses = [500] * 9
    refused(archive, tmp_path / "other.zip", "it answered 500 Internal Server Error")


def test_a_server_that_falls_silent_counts_as_cut(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", 0.1)
    archive.pause, archive.ranges = 60.0, False
    refused(archive, tmp_path / "file.zip", "cannot reach .*timed out.*kept")
    monkeypatch.undo()
    archive.pause = 0.0
    assert (tmp_path / "file.zip.part").stat().st_size > 0
    assert download(archive.url, tmp_path / "file.zip").read_bytes() == CONTENT


def test_nobody_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "WAITS", ())
    with socket.socket() as taken:  # and never listened on
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file.zip"
        message = r"cannot reach 127\.0\.0\.1:\d+ \(Connection refused\).*run the same command"
        with pytest.raises(DownloadError, match=message):
            download(url, tmp_path / "file.zip")


def test_a_name_that_is_not_known_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    monkeypatch.setattr(transfer, "WAITS", (0.0,))
    message = r"cannot reach zenodo\.org \(Temporary failure in name resolution\)"
    with pytest.raises(DownloadError, match=message):
        download("https://zenodo.org/file.zip", tmp_path / "file.zip")


@pytest.mark.parametrize("url", ["ftp://host/file", "file:///etc/passwd", "file.zip", "https:///x"])
def test_only_web_addresses_are_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="expected an address that begins with https://"):
        download(url, tmp_path / "file")


def test_a_redirection_leads_to_the_web_alone(archive: Archive, tmp_path: Path) -> None:
    with serving(Archive(b"elsewhere")) as other:
        archive.redirect = other.url
        assert download(archive.url, tmp_path / "file.zip").read_bytes() == b"elsewhere"
    archive.redirect = "ftp://127.0.0.1/file.zip"
    refused(archive, tmp_path / "other.zip", "leads from http to ftp://127.0.0.1/file.zip, where")


def test_https_is_never_left(tmp_path: Path) -> None:
    request, answer = Request("https://host/file"), HTTPMessage()
    follow = transfer._Redirections().redirect_request
    with pytest.raises(DownloadError, match="host leads from https to http://host/file"):
        follow(request, BytesIO(), 302, "", answer, "http://host/file")
    followed = follow(request, BytesIO(), 302, "", answer, "https://other/file")
    assert followed is not None
    assert followed.full_url == "https://other/file"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full")  # noqa: PTH110
def test_a_disk_that_fills_is_one_line(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "file.zip.part").symlink_to("/dev/full")
    refused(
        archive, tmp_path / "file.zip", r"cannot be written \(No space left on device\).*make room"
    )
    assert not (tmp_path / "file.zip").exists()


def test_a_folder_that_is_a_file_is_one_line(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(archive, tmp_path / "file" / "a.zip", re.escape("a.zip: cannot be written"))


def test_two_runs_do_not_write_one_file(archive: Archive, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / "file.zip.part").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused(archive, tmp_path / "file.zip", "another run is fetching this file")
        assert (tmp_path / "file.zip.part").exists(), "it is the other run's"
    download(archive.url, tmp_path / "file.zip")
