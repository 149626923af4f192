"""Fetches one large file: goes on after a cut, checks it, and gives it its name only when whole.

The standard library does it: pooch, the usual choice, begins a cut download from its first byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
from pathlib import Path
from typing import Any, BinaryIO

from sottovoce.errors import DownloadError
from sottovoce.text import display_path
from sottovoce.transfer import AGAIN, Progress, Transfer


def download(
    url: str,
    target: str | os.PathLike[str],
    *,
    digest: str = "",
    size: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetch a file, unless it is there already; what a cut leaves behind is gone on with next time.

    Until it is whole it is called `target` and ".part". It is resumed only where the server says
    that the file is still the same, or where `digest` will tell.

    Args:
        url: http or https; redirections lead from https to https alone.
        target: where the file goes, in a folder that is made if need be.
        digest: what its owner publishes, "md5:..." or "sha256:..." in hexadecimal digits.
        size: bytes.
        progress: called again and again.

    Raises:
        DownloadError: the server cannot be reached or has no such file, what it sends is not the
            file asked for, or the file cannot be written.
    """
    target = Path(target)
    part = target.with_name(target.name + ".part")
    tag = target.with_name(target.name + ".part.tag")
    try:
        if target.is_file() and (not digest or _digest(target, digest) == digest):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        transfer = Transfer(url, tag, digest=digest, size=size, progress=progress)
        with part.open("ab") as file:
            _lock(file, target)
            try:
                transfer.run(file)
            except BaseException:
                if not file.seek(0, os.SEEK_END):  # nothing came: leave nothing behind
                    with contextlib.suppress(OSError):
                        part.unlink()
                raise
        _check(part, digest, size)
        part.replace(target)
        tag.unlink(missing_ok=True)
    except OSError as error:
        raise DownloadError(
            f"{display_path(target)}: cannot be written ({error.strerror or error}); what was got "
            f"so far is kept, make room or choose another folder and {AGAIN}"
        ) from error
    return target


def _lock(file: BinaryIO, target: Path) -> None:
    """Keep two runs from writing one file; where the system has no such locks, it is not kept."""
    try:
        fcntl: Any = importlib.import_module("fcntl")
    except ModuleNotFoundError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DownloadError(
            f"{display_path(target)}: another run is fetching this file; wait for it to end"
        ) from error


def _check(part: Path, digest: str, size: int | None) -> None:
    """Remove what is not the file that was asked for, so that the next try starts anew."""
    kind = digest.partition(":")[0]
    found = _digest(part, digest) if digest else ""
    if found != digest:
        wrong = f"its {kind} is {found.partition(':')[2]}, expected {digest.partition(':')[2]}"
    elif size is not None and part.stat().st_size != size:
        wrong = f"it has {part.stat().st_size} bytes, expected {size}"
    else:
        return
    part.unlink()
    name = display_path(part.name.removesuffix(".part"))
    raise DownloadError(f"{name} is not what its owner published: {wrong}; removed, {AGAIN}")


def _digest(path: Path, like: str) -> str:
    """The digest of a file, of the same kind and in the same form as another one."""
    kind = like.partition(":")[0]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False))
    return f"{kind}:{found.hexdigest()}"
