"""Keeps one process that hears, with a time limit; what a file does to it is that file's alone."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, Any

from sottovoce.archive.job import ArchiveJob
from sottovoce.errors import SottovoceError
from sottovoce.text import display_path

AHEAD = 2
"""Rows that the process has at a time, so that it never waits for the next one."""

START = 120.0
"""s in which it must have opened the model."""

Row = dict[str, Any]


class Listener:
    """Hears the rows of plans in a process of its own, which is begun anew when it dies.

    Args:
        job: of the archive.
        out: the archive's folder.
        limit: s that one recording may take.
    """

    def __init__(self, job: ArchiveJob, out: str, limit: float) -> None:
        self._begin = json.dumps({"job": job.model_dump(mode="json"), "out": out})
        self._limit = limit
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def hear(self, rows: Iterable[Row]) -> Iterator[tuple[Row, list[Row]]]:
        """Each row of a plan with what was heard, in order.

        A recording at which the process died, or that took too long, is tried once more, alone in
        a new process; if that fails too it is marked with the status `error`.

        Raises:
            SottovoceError: the process cannot hear anything, as where it has no such model.
        """
        from sottovoce.archive.child import failure

        waiting, sent = deque(rows), deque[Row]()
        suspect: Row | None = None
        while waiting or sent:
            while waiting and len(sent) < (1 if suspect is not None else AHEAD):
                sent.append(waiting.popleft())
                self._send(sent[-1])
            answer, fault = self._answer()
            first = sent.popleft()
            if answer is not None:
                yield first, answer
                suspect = None
            elif first is suspect:
                yield first, [failure(f"{display_path(first['path'])}: {fault}; it is left out")]
                suspect = None
            else:
                suspect = first
                waiting.extendleft(reversed(sent))
                waiting.appendleft(first)
                sent.clear()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _send(self, row: Row) -> None:
        if self._process is None:
            self._start()
        self._write(json.dumps(row, default=str))

    def _answer(self) -> tuple[list[Row] | None, str]:
        """What was heard; or None, and what befell the process, which is gone then."""
        process = self._process
        try:
            line = self._lines.get(timeout=self._limit)
        except queue.Empty:
            self.close()
            return None, f"no answer in {self._limit:g} s, the limit for one recording"
        if line is not None:
            found: list[Row] = json.loads(line)["rows"]
            return found, ""
        code = process.wait() if process is not None else 0
        self.close()
        return None, f"the process that read it ended with {_ending(code)}"

    def _start(self) -> None:
        command = [sys.executable, "-m", "sottovoce.archive.child"]
        self._process = process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        lines = self._lines = queue.Queue[str | None]()
        threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
        self._write(self._begin)
        try:
            line = lines.get(timeout=START)
        except queue.Empty:
            self.close()
            raise SottovoceError(
                f"a worker's process did not open the model in {START:g} s; give it more time or "
                "fewer workers"
            ) from None
        if line is None:
            code = process.wait()
            self.close()
            raise SottovoceError(
                f"a worker's process ended with {_ending(code)} before it heard anything; see what "
                "it wrote in Ray's logs"
            )
        if fatal := json.loads(line).get("fatal"):
            self.close()
            raise SottovoceError(fatal)

    def _write(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):  # it has died, which its output shows
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()


def _forward(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    with contextlib.suppress(ValueError, OSError):  # closed meanwhile
        for line in stream:
            lines.put(line)
    lines.put(None)


def _ending(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"status {code}"
