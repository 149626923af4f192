"""Any table (CSV, TSV or Parquet) with a column of paths and one of labels.

In place of a folder the file of the table is given; paths are taken relative to it. Labels are
emotions of `sottovoce.emotions` or the other names there, in any case, or numbers.
"""

from __future__ import annotations

import csv
import importlib
import os
from pathlib import Path

from sottovoce.emotions import EMOTIONS, OTHER_NAMES
from sottovoce.errors import CorpusError, MissingExtraError
from sottovoce.learn.corpora import TABLE, Clip, CorpusProblem, Listing, ManualDownload
from sottovoce.options import TableSpec
from sottovoce.text import display_path

NAME = TABLE
LICENCE = "that of the clips in the table"
SOURCE = ManualDownload("", "a table is your own; there is nothing to fetch")
EMOTION_CODES: dict[str, str] = {}
"""None of its own."""

UNKNOWN = f"{NAME}/unknown"
"""Speaker of every clip of which none is named: so no protocol takes them for different people."""
SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}


DEFAULT_COLUMNS = TableSpec()


def read(file: Path, columns: TableSpec = DEFAULT_COLUMNS) -> Listing:
    """List the clips that a table names.

    Raises:
        CorpusError: the table cannot be read, lacks a column, names a file that is not there, or
            has a label that is no emotion.
        MissingExtraError: it is Parquet, and pyarrow is not installed.
    """
    where = display_path(file)
    rows = _rows(file)
    if not rows:
        raise CorpusError(f"{where}: the table has no rows")
    for key, name in (("path", columns.path), ("label", columns.label)):
        if name not in rows[0]:
            raise CorpusError(
                f"{where}: no column {name!r}; there are {', '.join(rows[0])}; name the right one "
                f"as table.{key} in the recipe or with --{key}-column"
            )
    clips: dict[Path, Clip] = {}
    problems: list[CorpusProblem] = []
    lost: list[str] = []
    for number, row in enumerate(rows, start=2):  # as editors count: the first line is the names
        path = Path(os.path.normpath(file.absolute().parent / row[columns.path]))
        emotion = _emotion(row[columns.label], columns, f"{where}: line {number}")
        speaker = row.get(columns.speaker, "")
        if not path.is_file():
            lost.append(f"line {number}: {display_path(row[columns.path])}")
        elif path in clips:
            text = f"named again in line {number}; the first is used"
            problems.append(CorpusProblem(path, "repeated", text))
        else:
            clips[path] = Clip(
                path=path,
                corpus=NAME,
                speaker=f"{NAME}/{speaker}" if speaker else UNKNOWN,
                sex=SEXES.get(row.get(columns.sex, "").lower(), ""),
                emotion=emotion,
                split=row.get(columns.split, ""),
            )
    if lost:
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise CorpusError(
            f"{where}: {lost[0]} is not there{more}; paths are taken relative to the table"
        )
    return Listing(tuple(clips[path] for path in sorted(clips)), tuple(problems))


def _emotion(label: str, columns: TableSpec, where: str) -> str:
    """The emotion that a label means."""
    if label.removesuffix(".0").isdecimal():
        number = int(label.removesuffix(".0"))
        if number >= len(columns.numbers):
            raise CorpusError(
                f"{where}: label {label} is a number with no emotion; list the emotions of 0, "
                "1, 2 ... as table.numbers in the recipe or with --numbers"
            )
        label = columns.numbers[number]
    name = OTHER_NAMES.get(label.lower(), label.lower())
    if name not in EMOTIONS:
        known = ", ".join((*EMOTIONS, *OTHER_NAMES))
        raise CorpusError(f"{where}: label {label!r} is no emotion; known: {known}")
    return name


def _rows(file: Path) -> list[dict[str, str]]:
    """Column -> cell, as text without blanks around it, for each row."""
    where = display_path(file)
    kind = file.suffix.lower()
    if kind not in (".csv", ".tsv", ".parquet"):
        raise CorpusError(f"{where}: expected a table, a file that ends in .csv, .tsv or .parquet")
    try:
        if kind == ".parquet":
            return _parquet(file)
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, delimiter="\t" if kind == ".tsv" else ",", strict=True)
            names, *rows = [[cell.strip() for cell in row] for row in reader if row]
            return [dict(zip(names, row, strict=True)) for row in rows]
    except OSError as error:
        raise CorpusError(f"{where}: cannot read this table: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        raise CorpusError(f"{where}: not a whole {kind[1:]} table in UTF-8: {error}") from error


def _parquet(file: Path) -> list[dict[str, str]]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")  # it has no types
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{display_path(file)}: reading Parquet", "pyarrow", "parquet"
        ) from error
    rows = parquet.read_table(file).to_pylist()
    return [
        {name: "" if cell is None else str(cell).strip() for name, cell in row.items()}
        for row in rows
    ]
