"""How far an archive is, and what could not be heard: from its parts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sottovoce.archive.job import PROGRESS, ArchiveFolder, ArchiveJob, open_archive
from sottovoce.archive.schema import archive_schema, arrow, compute, read_part
from sottovoce.results import Status

NEEDED = ("id", "path", "status", "emotion", "message", "compute")


@dataclass(frozen=True, slots=True)
class ArchiveStatus:
    """An archive in a few figures."""

    job: ArchiveJob
    rows: int
    recordings: int
    answers: dict[str, int]
    """Emotion, or status where there is none -> rows."""
    compute: float
    """s of work in all of it."""
    failed: tuple[tuple[str, str], ...]
    """Path, and why, of each recording that could not be heard."""
    progress: dict[str, Any]
    """Of the last run: see `Tally.to_json`; empty before there was one."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model": self.job.title,
            "timeline": self.job.timeline,
            "recordings": self.recordings,
            "rows": self.rows,
            "answers": self.answers,
            "compute": self.compute,
            "failed": [{"path": path, "message": message} for path, message in self.failed],
            "last_run": self.progress,
        }


def read_rows(folder: ArchiveFolder, job: ArchiveJob, wanted: tuple[str, ...] | None = None) -> Any:
    """The rows of an archive, an Arrow table; `wanted` names columns, None: all."""
    names = folder.parts()
    parts = [read_part(folder.read(name) or b"", f"{folder}/{name}", wanted) for name in names]
    empty = archive_schema(job).empty_table()
    return arrow().concat_tables(parts or [empty.select(list(wanted)) if wanted else empty])


def status_of(folder: ArchiveFolder) -> ArchiveStatus:
    """How far an archive is.

    Raises:
        SottovoceError: it is none, or a part cannot be read.
    """
    job = open_archive(folder)
    rows = read_rows(folder, job, NEEDED)
    pc = compute()
    said = pc.coalesce(rows["emotion"], rows["status"])
    answers = {entry["values"]: entry["counts"] for entry in pc.value_counts(said).to_pylist()}
    failed = rows.filter(pc.equal(rows["status"], str(Status.ERROR)))
    return ArchiveStatus(
        job=job,
        rows=len(rows),
        recordings=len(pc.unique(rows["id"])),
        answers=dict(sorted(answers.items(), key=lambda entry: -entry[1])),
        compute=pc.sum(rows["compute"]).as_py() or 0.0,
        failed=tuple(zip(failed["path"].to_pylist(), failed["message"].to_pylist(), strict=True)),
        progress=json.loads(folder.read(PROGRESS) or b"{}"),
    )
