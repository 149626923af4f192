"""A table in CSV (RFC 4180, UTF-8): a row for each result, written as it comes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from sottovoce.export import AddSegment, ExportFormat, ExportSubject
from sottovoce.export._files import opened_for_writing
from sottovoce.results import Prediction, Segment


@contextmanager
def csv_file(path: str, columns: Sequence[str]) -> Iterator[Callable[[Prediction | Segment], None]]:
    """A CSV file of results.

    Args:
        path: of the file.
        columns: as the `columns` of the results' class gives them.

    Raises:
        SottovoceError: the file cannot be written.
    """
    with opened_for_writing(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        file.flush()

        def add(result: Prediction | Segment) -> None:
            writer.writerow(result.row())
            file.flush()

        yield add


def _writer(path: str, about: ExportSubject) -> AbstractContextManager[AddSegment]:
    return csv_file(path, Segment.columns(about.labels))


FORMAT = ExportFormat("csv", "A row a segment, a column for each emotion.", _writer)
