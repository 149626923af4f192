"""What a worker does with a piece of a plan: hear it, and write its parts of the table."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sottovoce.archive.job import ArchiveFolder, ArchiveJob
from sottovoce.archive.listener import Listener
from sottovoce.archive.schema import PLANNED, part_of, read_part
from sottovoce.errors import SottovoceError
from sottovoce.results import Status

if TYPE_CHECKING:
    import pyarrow

PART_SECONDS = 30.0
"""s of work after which what is heard is written; what a crash may lose."""

Row = dict[str, Any]


class Worker:
    """Hears pieces of a plan; Ray makes one on each processor.

    Args:
        job: of the archive, in JSON.
        out: folder of the archive.
        run: folder of the parts, below the archive's.
        limit: s that one recording may take.
    """

    def __init__(self, job: str, out: str, run: str, limit: float) -> None:
        self._job, self._run = ArchiveJob.model_validate_json(job), run
        self._folder = ArchiveFolder(out)
        self._listener = Listener(self._job, out, limit)

    def __call__(self, piece: pyarrow.Table) -> dict[str, list[Any]]:
        """Hear a piece of a plan, write its parts, and say how much that was.

        A piece that was begun before, by a worker that died, is taken up after its last part.

        Args:
            piece: columns of `planned_schema`.

        Returns:
            Columns of one row: `files`, `seconds` of sound, `failed`, `answers` (JSON, a list of
            status, emotion and number), and `problem`, why the whole job cannot go on, or "".
        """
        answers: Counter[tuple[str, str | None]] = Counter()
        sums: dict[str, Any] = {"files": 0, "seconds": 0.0, "failed": 0, "problem": ""}
        rows: list[Row] = piece.to_pylist()
        try:
            for heard in self._parts(rows):
                for found in heard:
                    first = found[0]
                    sums["files"] += 1
                    sums["seconds"] += _duration(found)
                    sums["failed"] += first["status"] == Status.ERROR
                    answers.update((str(one["status"]), one.get("emotion")) for one in found)
        except SottovoceError as error:
            sums["problem"] = str(error)
        counted = json.dumps([[*answer, number] for answer, number in answers.items()])
        return {name: [value] for name, value in sums.items()} | {"answers": [counted]}

    def close(self) -> None:
        """End the process that hears."""
        self._listener.close()

    def __del__(self) -> None:
        self.close()

    def _parts(self, rows: Sequence[Row]) -> Iterator[list[list[Row]]]:
        """Write the parts of a piece; gives what each holds, a list a recording."""
        names = "\n".join(row["id"] for row in rows)
        prefix = f"part-{hashlib.sha256(names.encode()).hexdigest()[:16]}"
        known, number = set[str](), 0
        while (content := self._folder.read(self._part(prefix, number))) is not None:
            ids = read_part(content, self._part(prefix, number), ("id",))["id"]
            known.update(ids.to_pylist())
            number += 1
        heard, begun = list[list[Row]](), time.monotonic()
        for row, found in self._listener.hear(row for row in rows if row["id"] not in known):
            heard.append([self._complete(row, one) for one in found])
            if time.monotonic() - begun > PART_SECONDS:
                self._write(self._part(prefix, number), heard)
                yield heard
                number, heard, begun = number + 1, [], time.monotonic()
        if heard:
            self._write(self._part(prefix, number), heard)
            yield heard

    def _part(self, prefix: str, number: int) -> str:
        return f"{self._run}/{prefix}-{number:04}.parquet"

    def _complete(self, row: Row, answer: Row) -> Row:
        planned = {name: row[name] for name in PLANNED}
        model = {"model": self._job.title, "model_digest": self._job.digest}
        return answer | planned | model

    def _write(self, name: str, heard: list[list[Row]]) -> None:
        rows = [one for found in heard for one in found]
        self._folder.write(name, part_of(self._job, rows))


def _duration(found: Sequence[Row]) -> float:
    """Sound in the rows of one recording, s."""
    if "end" in found[0]:
        return max((one["end"] or 0.0 for one in found), default=0.0)
    return found[0].get("duration") or 0.0
