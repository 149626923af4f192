"""Folders of a cache that are there whole or not at all, whatever breaks while they are written."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sottovoce.system import writing_to_cache

ABANDONED = 24 * 3600.0
"""s after which a temporary folder that nobody has written to is taken for that of a killed run."""

INDEX = "index.json"
"""The file without which a folder is not whole; written last."""


def write_directory_atomically(folder: Path, what: str, write: Callable[[Path], None]) -> None:
    """Have a folder written under a temporary name beside it, and renamed once it is whole.

    Of two runs that write the same folder the first to finish leaves it. Where the folder is whole
    already, nothing is done.

    Args:
        folder: to be made.
        what: is kept there, in words.
        write: writes the files into the folder that it is given, `INDEX` last.

    Raises:
        SottovoceError: it cannot be written; nothing is left of it.
    """
    if (folder / INDEX).exists():
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(writing_to_cache(folder.parent, what))
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder.parent)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="draft-"))
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        write(temporary)
        try:
            temporary.rename(folder)
        except OSError:
            if not (folder / INDEX).exists():  # otherwise another run was quicker
                raise


def remove_abandoned(cache: Path) -> None:
    """Remove the temporary folders in a cache that no run writes to any more.

    A run that is alive writes again and again, so its folder is young; two runs that remove the
    same old one do no harm.
    """
    for temporary in cache.glob("draft-*"):
        with contextlib.suppress(OSError):
            newest = max(path.stat().st_mtime for path in (temporary, *temporary.iterdir()))
            if time.time() - newest > ABANDONED:
                shutil.rmtree(temporary, ignore_errors=True)
