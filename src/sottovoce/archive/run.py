"""Runs a plan by Ray Data: on this machine, or on a cluster that is there."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sottovoce.archive.job import PROGRESS, ArchiveFolder, ArchiveJob
from sottovoce.archive.plan import Plan
from sottovoce.archive.work import Worker
from sottovoce.errors import MissingExtraError, SottovoceError
from sottovoce.text import one_line

OBJECTS = 200_000_000
"""Bytes of Ray's store of objects on one machine; plans and counts are all that pass through."""

PATIENCE = 20.0
"""s in which a cluster must answer."""

SETTINGS = b"\x04"
"""Type of the frame with which either side of HTTP/2 begins (RFC 9113, 3.4)."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + SETTINGS + b"\0\0\0\0\0"
"""With which a client begins: its magic words and settings, of which there are none."""

SHARE = 0.5
"""Of a processor that a worker claims, so that those of a lost machine find room on the others;
they are spread over the machines."""

MOST, LEAST = 256, 8
"""Recordings in a piece of a plan, with up to `FEW` workers."""

FEW = 16
"""Workers whose pieces the driver hands out with ease; of more, each gets larger ones, so that no
more pieces end in a second. A worker writes parts meanwhile, whatever the size."""

SAVED = 5.0
"""s between two writings of the progress."""


@dataclass(slots=True)
class Tally:
    """How far a run is."""

    planned: int
    files: int = 0
    seconds: float = 0.0
    """s of sound."""
    failed: int = 0
    answers: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    """Status and emotion -> rows."""
    begun: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """S since the first worker could begin."""
        return max(1e-9, time.monotonic() - self.begun)

    @property
    def left(self) -> float:
        """S until the end at this pace."""
        return (self.planned - self.files) * self.elapsed / self.files if self.files else 0.0

    def to_json(self) -> str:
        """For `archive status`."""
        return json.dumps(
            {
                "planned": self.planned,
                "files": self.files,
                "audio_seconds": self.seconds,
                "failed": self.failed,
                "elapsed": self.elapsed,
                "written": time.time(),
            }
        )


@contextmanager
def ray_started(address: str | None, workers: int, *, dashboard: bool = False) -> Iterator[Any]:
    """Ray, on this machine alone or connected to a cluster, and shut down at the end.

    It tells nobody of its use, and listens to this machine alone.

    Args:
        address: of a cluster, "host:port" or "ray://host:port"; None: on this machine.
        workers: processors that it may use.
        dashboard: show Ray's own page, on this machine's port 8265.

    Raises:
        MissingExtraError: Ray is not installed.
        SottovoceError: the cluster does not answer.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MissingExtraError("an archive", str(error.name), "archive") from None
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    folder = None
    try:
        if address is not None:
            _connect(ray, address, quiet)
        else:
            folder = tempfile.mkdtemp(prefix="sottovoce-")
            ray.init(
                num_cpus=workers,
                object_store_memory=OBJECTS,
                include_dashboard=dashboard,
                _node_ip_address="127.0.0.1",
                _temp_dir=folder,
                **quiet,
            )
        yield ray
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def run(
    ray: Any,
    folder: ArchiveFolder,
    job: ArchiveJob,
    plan: Plan,
    *,
    workers: int,
    limit: float,
    watch: Callable[[Tally], None] = lambda tally: None,
    worker: type = Worker,
) -> Tally:
    """Hear what is missing.

    Args:
        ray: what `ray_started` gives.
        folder: of the archive.
        job: of the archive.
        plan: what is missing.
        workers: how many, each on a processor of its own.
        limit: s that one recording may take.
        watch: called after each piece of the plan.
        worker: what hears the pieces; another one in benchmarks.

    Raises:
        SottovoceError: the job cannot go on, as where the disk is full; what is finished is kept.
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    size = piece_size(len(plan.missing), workers)
    pieces = [plan.missing.slice(at, size) for at in range(0, len(plan.missing), size)]
    tally = Tally(len(plan.missing))
    heard = ray.data.from_arrow(pieces).map_batches(
        worker,
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(pieces))),
        fn_constructor_args=(job.model_dump_json(), folder.out, plan.run, limit),
        num_cpus=SHARE,
    )
    saved = 0.0
    for row in heard.iter_rows():
        tally.files += row["files"]
        tally.seconds += row["seconds"]
        tally.failed += row["failed"]
        for status, emotion, number in json.loads(row["answers"]):
            tally.answers[status, emotion] += number
        if row["problem"]:
            raise SottovoceError(str(row["problem"]))
        watch(tally)
        if time.monotonic() - saved > SAVED:
            folder.write(PROGRESS, tally.to_json())
            saved = time.monotonic()
    folder.write(PROGRESS, tally.to_json())
    return tally


def piece_size(recordings: int, workers: int) -> int:
    """Recordings in a piece of a plan: eight pieces a worker at least, where there are so many."""
    return max(LEAST, min(MOST * max(1, workers // FEW), recordings // (8 * workers)))


def _greet(host: str, port: int) -> None:
    """See that a server of HTTP/2, as Ray is (by gRPC), greets back in `PATIENCE`.

    Raises:
        OSError: it does not.
    """
    with socket.create_connection((host, port), PATIENCE / 2) as line:
        if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
            return  # it would greet nobody without a certificate
        line.settimeout(PATIENCE / 2)
        line.sendall(PREFACE)
        answer = line.recv(9)
        if answer[3:4] != SETTINGS:
            raise OSError("what answers there is no cluster of Ray")


def _connect(ray: Any, address: str, quiet: dict[str, Any]) -> None:
    """Connect to a cluster, where it answers at its address; "auto" is looked up by Ray.

    Ray itself waits for minutes, and then may end the process.
    """
    url = urlsplit(address if "://" in address else f"ray-address://{address}")
    try:
        if url.hostname and url.port is not None:
            _greet(url.hostname, url.port)
        ray.init(address, **quiet)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise SottovoceError(
            f"{one_line(address)}: the cluster does not answer ({reason}); check RAY_ADDRESS, or "
            "leave it out to work on this machine alone"
        ) from None
