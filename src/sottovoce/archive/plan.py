"""What an archive lacks: the recordings of a manifest less the rows that its parts hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sottovoce.archive.job import ROWS, ArchiveFolder
from sottovoce.archive.schema import arrow, compute, parquet, read_part
from sottovoce.results import Status

if TYPE_CHECKING:
    import pyarrow


READERS = 16
"""Parts that are read at a time."""

HELD = ["id", "size", "etag", "profile", "status"]
"""Columns that say whether a recording is there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    missing: pyarrow.Table
    """Columns of `planned_schema`: not heard yet, or changed since."""
    done: int
    """Recordings of the manifest that are there already."""
    changed: int
    """Recordings of which rows were there, and which are heard again."""
    run: str
    """The folder of the parts to come."""


def plan(
    folder: ArchiveFolder, wanted: pyarrow.Table, *, retry: bool = False, below: str = ROWS
) -> Plan:
    """Compare a manifest with an archive, and take out the rows that are to be made anew.

    A recording has changed where its size, its ETag (of a local file, its time of change) or its
    profile is another one. Where two parts hold rows of one recording, as after a machine that was
    thought dead, the later part's are taken out.

    Args:
        folder: of the archive.
        wanted: columns of `planned_schema`.
        retry: hear those of status `error` again.
        below: the table, `ROWS` or `MEANS`.

    Raises:
        SottovoceError: a part cannot be read or written.
    """
    pa = arrow()
    pc = compute()
    parts = folder.parts(below)
    with ThreadPoolExecutor(READERS) as pool:  # an object store answers each after a while
        held = list(pool.map(partial(_held, folder), parts, range(len(parts))))
    run = f"{below}/run={_last_run(parts) + 1:04}"
    if not held:
        return Plan(wanted, 0, 0, run)
    rows = pa.concat_tables(held)
    at = pc.index_in(rows["id"], value_set=wanted["id"].combine_chunks())
    known = pc.is_valid(at)
    versions = pc.take(_version(wanted), at)
    is_stale = pc.and_(known, pc.not_equal(_version(rows), versions))
    if retry:
        failed = pc.equal(rows["status"], str(Status.ERROR))
        is_stale = pc.or_(is_stale, pc.and_(known, failed))
    first = rows.group_by("id", use_threads=False).aggregate([("part", "min")])
    of = pc.index_in(rows["id"], value_set=first["id"].combine_chunks())
    is_second = pc.not_equal(rows["part"], pc.take(first["part_min"], of))
    drop = pc.or_(is_stale, is_second)
    dropped = rows.filter(drop)
    for number in pc.unique(dropped["part"]).to_pylist():
        ids = dropped.filter(pc.equal(dropped["part"], number))["id"]
        _take_out(folder, parts[number], ids)
    kept = pc.unique(rows.filter(pc.invert(drop))["id"])
    is_done = pc.is_in(wanted["id"], value_set=kept)
    missing = wanted.filter(pc.invert(is_done))
    changed = len(pc.unique(rows.filter(is_stale)["id"]))
    return Plan(missing, len(wanted) - len(missing), changed, run)


def _held(folder: ArchiveFolder, name: str, number: int) -> pyarrow.Table:
    """The recordings that a part has rows of, with the part's number."""
    pa = arrow()
    content = folder.read(name) or b""
    table = read_part(content, f"{folder}/{name}", HELD)
    if table.num_rows and len(compute().unique(table["id"])) < table.num_rows:  # of a timeline
        table = table.group_by(HELD[:-1]).aggregate([("status", "max")])
        table = table.rename_columns(HELD)
    return table.append_column("part", pa.array([number] * table.num_rows, pa.int32()))


def _version(table: pyarrow.Table) -> Any:
    """Size, ETag and profile in one string for each row."""
    pc = compute()
    known = [pc.fill_null(table[name].cast("string"), "") for name in HELD[1:-1]]
    return pc.binary_join_element_wise(*known, " ")


def _take_out(folder: ArchiveFolder, name: str, ids: Any) -> None:
    """Write a part anew without some recordings, or remove it where none is left."""
    pc = compute()
    table = read_part(folder.read(name) or b"", f"{folder}/{name}")
    kept = table.filter(pc.invert(pc.is_in(table["id"], value_set=ids.combine_chunks())))
    if kept.num_rows:
        folder.write(name, parquet(kept))
    else:
        folder.remove(name)


def _last_run(parts: list[str]) -> int:
    runs = (part.split("/")[1].removeprefix("run=") for part in parts)
    return max((int(run) for run in runs if run.isdigit()), default=0)
