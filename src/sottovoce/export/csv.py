"""A table in CSV (RFC 4180, UTF-8): a row for each result, written as it comes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sottovoce.export import AddSegment, ExportFormat, ExportSubject
from sottovoce.export._files import opened_for_writing
from sottovoce.results import Prediction, Segment
from sottovoce.text import csv_cell


@contextmanager
def csv_file(
    path: str, columns: Sequence[str], raw: bool = False
) -> Iterator[Callable[[Prediction | Segment], None]]:
    """A CSV file of results.

    Args:
        path: of the file.
        columns: as the `columns` of the results' class gives them.
        raw: whether texts stay as they are where a spreadsheet would take them for formulas.

    Raises:
        SottovoceError: the file cannot be written.
    """
    with opened_for_writing(path, "w", newline="", encoding="utf-8") as file:

        def cell(value: Any) -> Any:
            return value if raw else csv_cell(value)

        writer = csv.writer(file)
        writer.writerow(map(cell, columns))
        file.flush()

        def add(result: Prediction | Segment) -> None:
            row = result.row()
            writer.writerow([cell(row.get(name, "")) for name in columns])
            file.flush()

        yield add


def _writer(path: str, about: ExportSubject) -> AbstractContextManager[AddSegment]:
    return csv_file(path, Segment.columns(about.labels), about.raw_csv)


FORMAT = ExportFormat("csv", "A row a segment, a column for each emotion.", _writer)
