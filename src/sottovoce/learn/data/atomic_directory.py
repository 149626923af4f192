"""Folders of a cache that are there whole or not at all, whatever breaks while they are written."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sottovoce.errors import SottovoceError

ABANDONED = 24 * 3600.0
"""s after which a draft that nobody has written to is taken for that of a killed run."""

INDEX = "index.json"
"""The file without which a folder is not whole; written last."""


def keep(folder: Path, what: str, write: Callable[[Path], None]) -> None:
    """Have a folder written into a draft beside it, which takes its name when it is whole.

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
    draft = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder.parent)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix="draft-"))
        write(draft)
        try:
            draft.rename(folder)
        except OSError:
            if not (folder / INDEX).exists():  # otherwise another run was quicker
                raise
    except OSError as error:
        reason = error.strerror or error
        raise SottovoceError(
            f"{folder.parent}: {what} cannot be kept here ({reason}); "
            "make room, or name another folder in SOTTOVOCE_CACHE"
        ) from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def remove_abandoned(cache: Path) -> None:
    """Remove the drafts in a cache that no run writes to any more.

    A run that is alive writes again and again, so its draft is young; two runs that remove the
    same old one do no harm.
    """
    for draft in cache.glob("draft-*"):
        with contextlib.suppress(OSError):
            newest = max(path.stat().st_mtime for path in (draft, *draft.iterdir()))
            if time.time() - newest > ABANDONED:
                shutil.rmtree(draft, ignore_errors=True)
