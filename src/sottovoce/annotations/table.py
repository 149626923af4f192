"""Tables of labels: separated text, JSON lines and Parquet, with a row for each clip."""

from __future__ import annotations

import csv
import importlib
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sottovoce.annotations.entry import LabelEntry, checked_span, is_empty, seconds
from sottovoce.annotations.recordings import AUDIO
from sottovoce.errors import CorpusError, MissingExtraError
from sottovoce.options import TableSpec
from sottovoce.text import display_path, from_csv_cell, one_line

SEPARATORS = (",", ";", "\t", "|")
DIMENSIONS = frozenset({"valence", "arousal", "dominance", "activation", "pleasure"})
"""Names of columns, in small letters, of numbers where people look for emotions."""


COLUMNS = ("path", "label", "speaker", "sex", "split", "start", "end")
"""Fields of `TableSpec` that name a column; a table must have the first two."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The cells of a table, as text without blanks around it.

    Attributes:
        names: of the columns.
        cells: of each row, as many, with the number of its line as an editor counts.
        unit: what a row's number counts, "line" or "row".
    """

    names: tuple[str, ...]
    cells: tuple[tuple[int, tuple[str, ...]], ...]
    unit: str = "line"


def separated_rows(text: str, columns: TableSpec, where: str) -> Rows:
    """Read separated text; its separator is that with which most of the columns are found.

    Blank rows and lines that begin with # are passed over.

    Raises:
        CorpusError: it is empty, a quote is not closed, or a row has more or fewer cells than the
            first line.
    """
    lines = text.split("\n")
    first = 0
    separators: Sequence[str] = SEPARATORS
    if found := re.fullmatch(r"sep=(.)", lines[0]):  # Excel's own
        separators, first = (found[1],), 1
    while first < len(lines) and _is_passed_over(lines[first]):
        first += 1
    if first == len(lines):
        raise CorpusError(f"{where}: the table is empty; expected names of columns, then rows")
    wanted = {_folded(getattr(columns, key)) for key in COLUMNS} - {""}

    def found_with(separator: str) -> tuple[int, int]:
        try:
            _, names = next(_records(lines[first:], first, separator, where))
        except (CorpusError, StopIteration):
            return 0, 0
        return len(wanted.intersection(map(_folded, names))), len(names)

    separator = max(separators, key=found_with)
    (_, names), *rows = list(_records(lines[first:], first, separator, where)) or [(0, ())]
    while names and not names[-1] and all(len(row) < len(names) or not row[-1] for _, row in rows):
        names = names[:-1]
    for number, row in rows:
        if len(row) < len(names) or any(row[len(names) :]):
            kind = {"\t": "tab"}.get(separator, separator)
            raise CorpusError(
                f"{where}: line {number}: {len(row)} cells, and the names of columns are "
                f"{len(names)}; a cell that holds a {kind!r} must stand in quotes"
            )
    cells = tuple((number, row[: len(names)]) for number, row in rows)
    return Rows(names, cells)


def json_rows(records: Sequence[tuple[int, Any]], where: str) -> Rows:
    """Rows of JSON objects without structure.

    Raises:
        CorpusError: something is no object.
    """
    for number, record in records:
        if not isinstance(record, dict):
            raise CorpusError(f"{where}: line {number}: expected an object, {{...}}")
    names = tuple(dict.fromkeys(name for _, record in records for name in record))
    cells = tuple((n, tuple(_cell(record.get(name)) for name in names)) for n, record in records)
    return Rows(names, cells)


def json_lines(text: str, where: str) -> Rows:
    """Read JSON lines.

    Raises:
        CorpusError: a line is no JSON object.
    """
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                records.append((number, json.loads(line)))
            except ValueError as error:
                raise CorpusError(f"{where}: line {number}: not JSON: {one_line(error)}") from None
    return json_rows(records, where)


def parquet_rows(file: Path) -> Rows:
    """Read Parquet.

    Raises:
        CorpusError: it cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    where = display_path(file)
    try:
        parquet = importlib.import_module("pyarrow.parquet")  # it has no types
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{where}: reading Parquet", "pyarrow", "parquet") from error
    try:
        table = parquet.read_table(file)
    except (OSError, ValueError) as error:
        raise CorpusError(f"{where}: not a whole parquet table: {one_line(error)}") from error
    names = tuple(table.column_names)
    rows = enumerate(table.to_pylist(), start=1)
    cells = tuple((n, tuple(_cell(row[name]) for name in names)) for n, row in rows)
    return Rows(names, cells, "row")


def table_entries(rows: Rows, columns: TableSpec, where: str) -> list[LabelEntry]:
    """The entries of a table's rows.

    Raises:
        CorpusError: a column is not there, or a time makes no sense.
    """
    place = _places(rows, columns, where)
    entries = []
    for number, cells in rows.cells:
        here = f"{rows.unit} {number}"
        cell = {key: "" if index is None else cells[index] for key, index in place.items()}
        if not cell["path"]:
            raise CorpusError(f"{where}: {here}: names no file")
        try:
            start, end = (seconds(cell[key], columns.rate) for key in ("start", "end"))
        except ValueError as error:
            raise CorpusError(
                f"{where}: {here}: {error}; where a clip is a whole file, say "
                '--start-column "" --end-column ""'
            ) from None
        span = checked_span(start, end, f"{where}: {here}")
        more = ("" if is_empty(cell[key]) else cell[key] for key in ("speaker", "sex", "split"))
        label = "" if is_empty(cell["label"]) else cell["label"]
        entries.append(LabelEntry(here, cell["path"], label, *span, *more))
    return entries


def _places(rows: Rows, columns: TableSpec, where: str) -> dict[str, int | None]:
    """Key of `TableSpec` -> the index of its column; None where it has none and needs none."""
    place = {key: _place(rows.names, getattr(columns, key), where) for key in COLUMNS}
    shown = ", ".join(display_path(name) or '""' for name in rows.names)
    if place["path"] is None and place["label"] is None and _is_clip(rows.names):
        raise CorpusError(
            f"{where}: its first line is a clip ({shown}), and should be the names of columns; put "
            f"a line such as {columns.path},{columns.label},{columns.speaker} above it"
        )
    for key in COLUMNS:
        name = getattr(columns, key)
        is_default = name == TableSpec.model_fields[key].default
        if place[key] is not None or not name or (is_default and key not in ("path", "label")):
            continue
        dimensions = [name for name in rows.names if name.lower() in DIMENSIONS]
        hint = ""
        if key == "label" and dimensions:
            hint = f"; {' and '.join(dimensions)} are dimensions, and a label is a word"
        raise CorpusError(
            f"{where}: no column {name!r}; there are {shown}{hint}; name the right one "
            f"as table.{key} in the recipe or with --{key}-column"
        )
    for key, other in (("start", "end"), ("end", "start")):
        if place[key] is not None and place[other] is None:
            raise CorpusError(
                f"{where}: a column {getattr(columns, key)!r} and no column "
                f"{getattr(columns, other)!r}; name it with --{other}-column (table.{other} in the "
                f'recipe), or say --{key}-column "" where a clip is a whole file'
            )
    return place


def _place(names: Sequence[str], wanted: str, where: str) -> int | None:
    """The index of the column of this name, in any case and Unicode form."""
    if not wanted:
        return None
    for matches in (
        [i for i, name in enumerate(names) if name == wanted],
        [i for i, name in enumerate(names) if _folded(name) == _folded(wanted)],
    ):
        if len(matches) > 1:
            raise CorpusError(f"{where}: {len(matches)} columns are called {wanted!r}; keep one")
        if matches:
            return matches[0]
    return None


def _is_clip(cells: Sequence[str]) -> bool:
    return any(PurePosixPath(cell.lower()).suffix in AUDIO for cell in cells)


def _is_passed_over(line: str) -> bool:
    return not line.strip() or line.startswith("#")


class _Lines:
    """Lines for the CSV reader, which takes several where a cell in quotes holds their ends."""

    def __init__(self, lines: Sequence[str], before: int) -> None:
        self._lines = iter(lines)
        self._number = before
        self.first: int | None = None
        """Number of the first line of the row that is being read; None before it."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while True:
            line = next(self._lines)
            self._number += 1
            if self.first is not None:
                return line + "\n"
            if not _is_passed_over(line):
                self.first = self._number
                return line + "\n"


def _records(
    lines: Sequence[str], before: int, separator: str, where: str
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Number of its first line and cells of each row that is not blank."""
    feed = _Lines(lines, before)
    reader = csv.reader(feed, delimiter=separator, strict=True, skipinitialspace=True)
    while True:
        feed.first = None
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CorpusError(
                f"{where}: line {feed.first}: a quote is not closed, or not alone in its cell "
                f"({one_line(error)}); quotes within a cell are written twice"
            ) from None
        cells = tuple(from_csv_cell(cell.strip()) for cell in row)
        if any(cells):
            yield feed.first or before, cells


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
