"""The table of an archive: its columns and their types, and its parts as Parquet."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sottovoce.archive.job import SCHEMA_VERSION, ArchiveJob
from sottovoce.errors import MissingExtraError, SottovoceError
from sottovoce.results import Prediction, Segment

if TYPE_CHECKING:
    import pyarrow

NUMBERS = {"duration", "confidence", "start", "end", "part_start", "part_end", "compute", "seconds"}
"""Columns of floats, besides those of the labels."""
VECTORS = ("embedding", "probabilities")
EMBEDDED = (*VECTORS, "seconds")
"""Columns of the first pass, as `Embedded` has them."""
WHOLE = {"channel": "int32", "size": "int64"}

PLANNED = ("id", "path", "part_start", "part_end", "speaker", "size", "etag", "modified", "profile")
"""Columns that say which recording a row is of; they come from the plan."""


def arrow() -> Any:
    """The module pyarrow, which has no types.

    Raises:
        MissingExtraError: it is not installed.
    """
    import importlib

    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ModuleNotFoundError as error:
        raise MissingExtraError("an archive", "pyarrow", "archive") from error


def compute() -> Any:
    """The module pyarrow.compute, which has no types."""
    import importlib

    return importlib.import_module("pyarrow.compute")


def planned_schema() -> pyarrow.Schema:
    """The columns of a plan: those of `PLANNED`, and the channel that is meant, or none."""
    return _schema((*PLANNED, "channel"), ())


def columns(job: ArchiveJob) -> list[str]:
    """The names of the columns of an archive, in their order."""
    labels = job.labels
    answer = Segment.columns(labels) if job.timeline else Prediction.columns(labels)
    if job.embeds:
        return [*PLANNED, "status", "message", *EMBEDDED, "compute"]
    more = ("duration", "model", "message", "warnings", "model_digest", "compute")
    return list(dict.fromkeys((*PLANNED, *answer, *more)))


def archive_schema(job: ArchiveJob) -> pyarrow.Schema:
    """The same with their types; the version of the schema is in its metadata."""
    schema = _schema(columns(job), job.labels)
    return schema.with_metadata({"sottovoce.schema_version": str(SCHEMA_VERSION)})


def part_of(job: ArchiveJob, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as the content of a Parquet file."""
    pa = arrow()
    return parquet(pa.Table.from_pylist(list(rows), schema=archive_schema(job)))


def parquet(table: pyarrow.Table) -> bytes:
    """A table as the content of a Parquet file."""
    files = arrow().parquet

    buffer = io.BytesIO()
    files.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_part(content: bytes, where: str, wanted: Sequence[str] | None = None) -> pyarrow.Table:
    """The rows of a part.

    Args:
        content: of the file.
        where: its name, for messages.
        wanted: the columns to read; None: all.

    Raises:
        SottovoceError: it is no whole part.
    """
    files = arrow().parquet

    try:
        return files.read_table(io.BytesIO(content), columns=wanted and list(wanted))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise SottovoceError(
            f"{where}: not a whole part of an archive ({reason}); remove the file and run again"
        ) from None


def _schema(names: Sequence[str], labels: Sequence[str]) -> pyarrow.Schema:
    pa = arrow()

    def kind(name: str) -> Any:
        if name in VECTORS:
            return pa.list_(pa.float32())
        if name in NUMBERS or name in labels:
            return pa.float64()
        if name == "modified":
            return pa.timestamp("us", "UTC")
        return getattr(pa, WHOLE.get(name, "string"))()

    return pa.schema([(name, kind(name)) for name in names])
