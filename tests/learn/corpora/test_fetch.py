"""A corpus is fetched whole into a new folder, or not at all; an archive is not trusted."""

import errno
import hashlib
import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from archive_server import Archive as Server
from archive_server import serving

from sottovoce import transfer
from sottovoce.errors import CorpusError, DownloadError
from sottovoce.learn import corpora
from sottovoce.learn.corpora import _unpack, tess
from sottovoce.learn.corpora._fetch import fetch
from sottovoce.learn.corpora._sources import Archive, ByHand
from sottovoce.learn.corpora._unpack import unpack

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


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The archive of TESS, for this once on this machine."""
    monkeypatch.setattr(transfer, "WAITS", ())
    content = zipped(CLIPS)
    digest = f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}"
    with serving(Server(content)) as server:
        source = Archive(server.url, "https://page", size=len(content), digest=digest)
        monkeypatch.setattr(tess, "SOURCE", source)
        yield server


def test_what_is_fetched_is_what_can_be_read(server: Server, tmp_path: Path) -> None:
    said: list[tuple[str, int, int | None]] = []
    folder = tmp_path / "data" / "tess"
    listing = fetch("tess", folder, lambda *now: said.append(now))
    assert contents(folder) == CLIPS
    assert [clip.path for clip in listing.clips] == sorted(folder / name for name in CLIPS)
    assert list(folder.parent.iterdir()) == [folder], "the archive is gone"
    size, unpacked = len(server.content), sum(map(len, CLIPS.values()))
    assert ("fetching", size, size) in said
    assert said[-1] == ("unpacking", unpacked, unpacked)


def test_an_empty_folder_will_do_and_a_full_one_is_left_alone(
    server: Server, tmp_path: Path
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


def test_a_fetch_that_was_cut_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "tess"
    server.cuts = [500]
    with pytest.raises(DownloadError, match="run the same command again"):
        fetch("tess", folder)
    assert not folder.exists()
    fetch("tess", folder)
    assert server.asked[-1]["range"] == "bytes=500-"
    assert contents(folder) == CLIPS


def test_an_archive_that_is_not_the_published_one_is_not_unpacked(
    server: Server, tmp_path: Path
) -> None:
    server.content = server.content[::-1]
    with pytest.raises(DownloadError, match=r"tess\.zip is not what its owner published: its md5"):
        fetch("tess", tmp_path / "tess")
    assert not (tmp_path / "tess").exists()
    assert not (tmp_path / "tess.zip").exists()


@pytest.mark.parametrize("name", ["savee", "cremad", "emospeech", "table"])
def test_what_is_not_for_programs_says_how_to_get_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(CorpusError, match=f"^{name}: ") as caught:
        fetch(name, tmp_path / "my corpus")
    assert "DIR" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_every_corpus_says_where_it_is_got() -> None:
    for name in corpora.known():
        source = corpora.source(name)
        if isinstance(source, ByHand):
            assert name == "table" or "http" in source.words
            continue
        assert source.url.startswith("https://")
        assert source.page.startswith("https://")
        assert bool(source.digest) == bool(source.size)
        if source.digest:
            kind, _, digits = source.digest.partition(":")
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
        (zipped({"a": b"/etc"}, stat.S_IFLNK | 0o777), "a in it is a link"),
    ],
    ids=[
        *("no zip", "end missing", "damaged", "up", "up from below", "absolute", "drive"),
        *("backslashes", "link"),
    ],
)
def test_a_bad_archive_is_one_line_and_leaves_nothing(
    tmp_path: Path, content: bytes, message: str
) -> None:
    archive = tmp_path / "inner" / "c.zip"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(DownloadError, match=message) as caught:
        unpack(archive, archive.parent / "c")
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == {}, "nor is the archive taken for a whole one the next time"


def test_an_archive_that_would_fill_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_unpack, "LIMIT", 1 << 30)
    packed = zipped({"a.wav": b"", "b.wav": b""})
    at = packed.rindex(b"PK\1\2") + 24  # its size as the directory of the archive has it
    large = (0x7FFF0000).to_bytes(4, "little")
    (tmp_path / "c.zip").write_bytes(packed[:at] + large + packed[at + 4 :])
    with pytest.raises(DownloadError, match="it unpacks to more than 1 GiB"):
        unpack(tmp_path / "c.zip", tmp_path / "c")


def test_a_disk_that_fills_leaves_the_download_and_no_half_corpus(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    really: Callable[..., object] = Path.open

    def full(path: Path, *how: str, **more: object) -> object:
        opened.append(path)
        if path.suffix == ".wav" and len([each for each in opened if each.suffix == ".wav"]) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(path, *how, **more)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DownloadError, match=r"No space left on device.*the download is kept"):
        fetch("tess", tmp_path / "tess")
    assert [path.name for path in tmp_path.iterdir()] == ["tess.zip"]
    monkeypatch.setattr(Path, "open", really)
    assert len(fetch("tess", tmp_path / "tess").clips) == 4
    assert len(server.asked) == 1


def test_what_a_killed_run_left_is_not_taken_for_the_corpus(server: Server, tmp_path: Path) -> None:
    left = tmp_path / ".tess.unpacking" / "OAF_base_fear.wav"
    left.parent.mkdir()
    left.write_bytes(b"half")
    fetch("tess", tmp_path / "tess")
    assert contents(tmp_path / "tess") == CLIPS
    assert not left.parent.exists()
