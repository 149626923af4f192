"""Unpacks a zip file from elsewhere: all of it or nothing, and nothing outside its folder."""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath

from sottovoce.errors import DownloadError
from sottovoce.text import display_path

LIMIT = 8 << 30
"""Bytes; no corpus here unpacks to a tenth of it."""
BLOCK = 1 << 20
"""Bytes copied and reported at a time."""


def unpack(archive: Path, folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Unpack into a folder that is not there yet, or is empty; it appears when all is there.

    Args:
        archive: the zip file; one that is broken or not to be trusted is removed.
        folder: a hidden folder beside it holds what is unpacked until then.
        progress: called with the bytes that are unpacked, and of how many.

    Raises:
        DownloadError: the archive is broken, would write outside the folder, holds links or more
            than `LIMIT`, or the folder cannot be written.
    """
    draft = folder.with_name(f".{folder.name}.unpacking")
    try:
        shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed
        draft.mkdir()
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _check(members)
            _write(opened, members, draft, progress or (lambda done, total: None))
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        archive.unlink()
        raise DownloadError(
            f"{display_path(archive)}: not a whole zip file ({error}); removed, run the same "
            "command again"
        ) from error
    except OSError as error:
        raise DownloadError(
            f"{display_path(folder)}: cannot be written ({error.strerror or error}); the download "
            "is kept, make room and run the same command again"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(
    opened: zipfile.ZipFile,
    members: Sequence[zipfile.ZipInfo],
    draft: Path,
    report: Callable[[int, int], None],
) -> None:
    done, total = 0, sum(member.file_size for member in members)
    report(done, total)
    for member in members:
        place = draft / member.filename
        place.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as source, place.open("wb") as file:
            while block := source.read(BLOCK):  # compares the CRC-32 at the end
                file.write(block)
                done += len(block)
                report(done, total)


def _check(members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse what no honest archive holds; `RuntimeError` is what `zipfile` raises too."""
    for member in members:
        path = PureWindowsPath(member.filename)  # takes both kinds of slash, and drives
        if path.anchor or ".." in path.parts:
            raise RuntimeError(f"it would write to {display_path(member.filename)}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise RuntimeError(f"{display_path(member.filename)} in it is a link")
    if sum(member.file_size for member in members) > LIMIT:
        raise RuntimeError(f"it unpacks to more than {LIMIT >> 30} GiB")
