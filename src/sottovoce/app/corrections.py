"""Corrections: recordings with the emotion they really carry, as a table that training reads.

A folder holds `corrections.csv` and the recordings beside it. It is the corpus `table`:

    sottovoce train RECIPE --data table=sottovoce-corrections/corrections.csv
"""

from __future__ import annotations

import csv
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sottovoce.emotions import EMOTIONS
from sottovoce.errors import SottovoceError
from sottovoce.results import Prediction
from sottovoce.text import display_path, one_line

TABLE = "corrections.csv"
COLUMNS = ("file", "emotion", "speaker", "heard", "confidence", "model", "added")
LONGEST_NAME = 40
"""Characters of a speaker's name that are kept."""


def correct(
    folder: Path, wav: bytes, key: str, emotion: str, speaker: str, heard: Prediction
) -> Path:
    """Write a recording and its row; a recording that is there already gets the new row instead.

    Sessions and processes may do so at the same time: the table is locked, and replaced as a
    whole, so a reader never sees half of it.

    Args:
        folder: made if it is not there.
        wav: the recording as a WAV file.
        key: what names the recording's content, such as a hash; hexadecimal digits.
        emotion: one of `sottovoce.emotions.EMOTIONS`.
        speaker: who speaks, or empty; letters, digits, blanks, dots, dashes and underscores of it.
        heard: what the model said.

    Returns:
        The table.

    Raises:
        SottovoceError: the emotion is unknown, or the folder cannot be written.
    """
    if emotion not in EMOTIONS:
        raise SottovoceError(f"{emotion!r} is no emotion; known: {', '.join(EMOTIONS)}")
    table = folder / TABLE
    name = f"{key[:32]}.wav"
    row = {
        "file": name,
        "emotion": emotion,
        "speaker": plain(speaker),
        "heard": heard.emotion or str(heard.status),
        "confidence": "" if heard.confidence is None else f"{heard.confidence:.3f}",
        "model": heard.model,
        "added": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / ".lock"):
            _replace(folder / name, wav)
            rows = [one for one in read(table) if one["file"] != name]
            _write(table, [*rows, row])
    except (OSError, csv.Error, ValueError) as error:
        raise SottovoceError(
            f"{display_path(folder)}: cannot be written ({one_line(error)}); nothing was kept"
        ) from None
    return table


def read(table: Path) -> list[dict[str, str]]:
    """The rows of the table, none where there is no table."""
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return [{name: row.get(name) or "" for name in COLUMNS} for row in csv.DictReader(file)]


def plain(name: str) -> str:
    """A name without what a table or a spreadsheet would take for something else.

    >>> plain('=HYPERLINK("x") Anna-2')
    'HYPERLINKx Anna-2'
    """
    kept = "".join(c for c in name if c.isalnum() or c in " ._-")
    return " ".join(kept.split()).lstrip(" -")[:LONGEST_NAME].strip()


def _write(table: Path, rows: list[dict[str, str]]) -> None:
    with _draft(table) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)


@contextmanager
def _draft(path: Path) -> Iterator[IO[str]]:
    """A file that takes the place of another once it is whole and on the disk."""
    draft = path.with_name(f".{path.name}.part")
    with draft.open("w", encoding="utf-8", newline="") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until nobody else holds the lock; a process that ends lets go of it."""
    with path.open("a+b") as file:
        try:
            posix: Any = importlib.import_module("fcntl")
            posix.flock(file, posix.LOCK_EX)
        except ModuleNotFoundError:  # Windows, where closing the file lets go too
            windows: Any = importlib.import_module("msvcrt")
            file.seek(0)
            windows.locking(file.fileno(), windows.LK_LOCK, 1)
        yield
