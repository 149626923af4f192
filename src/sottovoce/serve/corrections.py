"""Corrections: stretches with the label that people gave them, as a folder that training reads.

The folder holds the stretches in `audio/`, every rating in `ratings.csv`, and in `labels.csv` the
label that most raters of a stretch gave it. That table is the corpus `table`:

    sottovoce train RECIPE --data table=FOLDER/labels.csv
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import AfterValidator, Field

from sottovoce.annotations.entry import is_empty
from sottovoce.annotations.labels import word_of
from sottovoce.emotions import LONGEST_LABEL
from sottovoce.errors import SottovoceError
from sottovoce.options import LabelSpec, StrictModel
from sottovoce.text import display_path, one_line

LABELS, RATINGS, AUDIO = "labels.csv", "ratings.csv", "audio"
"""Two tables, and the folder of the stretches."""

LABEL_COLUMNS = ("file", "start", "end", "emotion", "speaker", "raters")
"""Of `LABELS`; start and end are empty, for each file is one stretch."""

RATING_COLUMNS = (
    "file", "emotion", "speaker", "rater", "heard", "confidence", "model",
    "source_start", "source_end", "at",
)  # fmt: skip
"""Of `RATINGS`; the source is the recording that the stretch was cut out of."""

LONGEST_NAME = 40
"""Characters of a name that are kept."""


def plain(name: str) -> str:
    """A name without what a table or a spreadsheet would take for something else.

    >>> plain('=HYPERLINK("x") Anna-2')
    'HYPERLINKx Anna-2'
    """
    kept = "".join(c for c in name if c.isalnum() or c in " ._-")
    return " ".join(kept.split()).lstrip(" -")[:LONGEST_NAME].strip()


def checked_label(label: str) -> str:
    """The word that training will read, which may be any that begins with a letter or a digit.

    So it is no formula for a spreadsheet, and no list.

    Raises:
        ValueError: training would read nothing, a number or several emotions.
    """
    text = label.strip()
    if is_empty(text) or not text[0].isalnum() or not any(map(str.isalpha, text)):
        raise ValueError(f"{one_line(repr(text))} is no word; expected such as angry, or bored")
    return word_of(text, LabelSpec())


def _heard(label: str) -> str:
    return checked_label(label) if label else ""


class Correction(StrictModel):
    """What a person said of a stretch, and what a model had heard: the query of `/v1/corrections`.

    Names keep letters, digits, blanks, dots, dashes and underscores, and 40 characters.
    """

    label: Annotated[str, AfterValidator(checked_label)] = Field(
        max_length=LONGEST_LABEL, description="An emotion, or a word of your own."
    )
    speaker: Annotated[str, AfterValidator(plain)] = Field(
        default="", max_length=1000, description="Who speaks; the same for all of one person."
    )
    rater: Annotated[str, AfterValidator(plain)] = Field(
        default="",
        max_length=1000,
        description="Who says so. A stretch has one rating of each rater, the last.",
    )
    heard: Annotated[str, AfterValidator(_heard)] = Field(
        default="", max_length=LONGEST_LABEL, description="What the model heard."
    )
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="How sure the model was of that."
    )
    model: Annotated[str, AfterValidator(plain)] = Field(
        default="", max_length=1000, description="Which model."
    )
    start: float | None = Field(
        default=None, ge=0, description="s; where the stretch begins in its recording."
    )
    end: float | None = Field(default=None, ge=0, description="s; where it ends.")


def keep_correction(folder: Path, wav: bytes, correction: Correction) -> int:
    """Write a stretch and its rating; what this rater said of it before is replaced.

    Threads and processes may do so at the same time: the tables are locked, and replaced as a
    whole, so a reader never sees half of one.

    Args:
        folder: made if it is not there.
        wav: the stretch as a WAV file, which its content names.
        correction: what was said of it.

    Returns:
        How many stretches the table of labels has now.

    Raises:
        SottovoceError: the folder cannot be written.
    """
    name = f"{AUDIO}/{hashlib.sha256(wav).hexdigest()[:32]}.wav"
    rating = {
        "file": name,
        "emotion": correction.label,
        "speaker": correction.speaker,
        "rater": correction.rater,
        "heard": correction.heard,
        "confidence": "" if correction.confidence is None else f"{correction.confidence:.3f}",
        "model": correction.model,
        "source_start": "" if correction.start is None else f"{correction.start:.3f}",
        "source_end": "" if correction.end is None else f"{correction.end:.3f}",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        (folder / AUDIO).mkdir(parents=True, exist_ok=True)
        with _locked(folder / ".lock"):
            _replace(folder / name, wav)
            key = (name, correction.rater)
            others = [one for one in read_ratings(folder) if (one["file"], one["rater"]) != key]
            _write(folder / RATINGS, RATING_COLUMNS, [*others, rating])
            labels = majority([*others, rating])
            _write(folder / LABELS, LABEL_COLUMNS, labels)
    except (OSError, csv.Error, ValueError) as error:
        raise SottovoceError(
            f"{display_path(folder)}: cannot be written ({one_line(error)}); nothing was kept"
        ) from None
    return len(labels)


def read_ratings(folder: Path) -> list[dict[str, str]]:
    """The ratings in a folder, the oldest first; none where there is no table."""
    table = folder / RATINGS
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return [{name: row.get(name) or "" for name in RATING_COLUMNS} for row in reader]


def majority(ratings: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """A row of `LABELS` for each file; files on whose label raters are divided have none.

    Args:
        ratings: rows of `RATINGS`, the oldest first.
    """
    rows = []
    for file in dict.fromkeys(one["file"] for one in ratings):
        mine = [one for one in ratings if one["file"] == file]
        (label, most), *others = Counter(one["emotion"] for one in mine).most_common(2)
        if others and others[0][1] == most:
            continue
        speaker = next((one["speaker"] for one in reversed(mine) if one["speaker"]), "")
        row = {"file": file, "start": "", "end": "", "emotion": label, "speaker": speaker}
        rows.append(row | {"raters": str(len(mine))})
    return rows


def _write(table: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    with _draft(table) as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
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
