"""What an archive costs beside one process: speed, scaling, memory, and planning a million rows.

    python benchmarks/archive.py --data DIR      # an hour on a quiet machine
    python benchmarks/archive.py --clips 200 --rows 20000 --nodes 1 2 --seconds 4

Each line is measured in processes of its own. "Once started" leaves out the start: the pace is that
between the end of as many pieces of the plan as there are workers and the end of the last. The
recordings in DIR are linked under new names until there are enough; without it, the samples are.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from sottovoce.audio.decode import SUFFIXES

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
NAP = 0.05
"""s of sleep that stand for a recording in the simulated cluster."""
SHORT_NAP = 0.002
"""The same where only what the driver does is of interest."""
TURNS = 3
"""Of two workers and one, since a machine's pace drifts over the minutes of a long run."""
PIECE = 1000
"""Rows in a part of the million."""


def linked(data: Path, folder: Path, count: int) -> list[str]:
    """Files of a corpus, linked under as many names."""
    found = sorted(file for file in data.rglob("*") if file.name.lower().endswith(SUFFIXES))
    folder.mkdir()
    paths = []
    for number, file in enumerate(itertools.islice(itertools.cycle(found), count)):
        path = folder / f"{number:07}{file.suffix}"
        path.symlink_to(file.resolve())
        paths.append(str(path))
    return paths


def one_process(paths: list[str]) -> dict[str, float]:
    """`predict_many` with two workers: its files a second after the first ones."""
    import sottovoce

    answers = sottovoce.load().predict_many(paths, workers=2)
    for _ in itertools.islice(answers, 16):
        pass
    begun = time.perf_counter()
    rest = sum(1 for _ in answers)
    return {"files_per_second": rest / (time.perf_counter() - begun)}


def archived(paths: list[str], out: Path, workers: int) -> dict[str, float]:
    """The same by an archive: start in s, files a second once started, MB of a worker."""
    import sottovoce
    from sottovoce.archive.job import ArchiveFolder, ArchiveJob, begin
    from sottovoce.archive.manifest import of_paths
    from sottovoce.archive.plan import plan
    from sottovoce.archive.run import ray_started, run
    from sottovoce.options import PredictOptions

    model = sottovoce.load()
    job = ArchiveJob(
        model=model.card.name,
        title=model.card.title,
        digest=model.digest,
        labels=model.labels,
        timeline=False,
        options=PredictOptions().model_dump(mode="json"),
    )
    folder = ArchiveFolder(str(out))
    begin(folder, job)
    todo = plan(folder, of_paths(paths).table())
    begun = time.perf_counter()
    ends: list[tuple[float, int]] = []
    with ray_started(None, workers) as ray, largest_workers() as largest:
        run(
            ray,
            folder,
            job,
            todo,
            workers=workers,
            limit=600,
            watch=lambda tally: ends.append((time.perf_counter() - begun, tally.files)),
        )
    (first, heard), (last, total) = ends[workers - 1], ends[-1]
    pace = (total - heard) / max(1e-9, last - first)
    return {
        "files_per_second": pace,
        "start": max(0.0, first - heard / pace) if pace else first,
        "worker_mb": largest["worker"] / 1e6,
        "hearing_mb": largest["child"] / 1e6,
    }


@contextlib.contextmanager
def largest_workers() -> Iterator[dict[str, float]]:
    """The most memory, in bytes (its own, USS), of a Ray worker and of the process that hears."""
    largest = {"worker": 0.0, "child": 0.0}
    done = threading.Event()

    def look() -> None:
        while not done.wait(5):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "sottovoce.archive.child" in process.cmdline():
                        own, above = process, process.parent()
                        largest["child"] = max(largest["child"], own.memory_full_info().uss)
                        if above is not None:
                            size = above.memory_full_info().uss
                            largest["worker"] = max(largest["worker"], size)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield largest
    finally:
        done.set()
        thread.join()


class Sleeper:
    """Stands for `Worker`, and sleeps for each recording."""

    nap = NAP

    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self, piece: Any) -> dict[str, list[Any]]:
        """Sleep through a piece of a plan."""
        time.sleep(self.nap * len(piece))
        sums = {"files": len(piece), "seconds": 0.0, "failed": 0, "problem": "", "answers": "[]"}
        return {name: [value] for name, value in sums.items()}


class ShortSleeper(Sleeper):
    """The same with short naps."""

    nap = SHORT_NAP


def cluster(
    nodes: int, seconds: float, out: Path, sleeper: type[Sleeper] = Sleeper
) -> dict[str, float]:
    """A cluster that Ray simulates on this machine, a processor a node, with sleep for work."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    from sottovoce.archive.job import ArchiveFolder, ArchiveJob
    from sottovoce.archive.manifest import of_paths
    from sottovoce.archive.plan import Plan
    from sottovoce.archive.run import run

    job = ArchiveJob(model="", title="", digest="", labels=(), timeline=False, options={})
    count = int(seconds * nodes / sleeper.nap)
    todo = Plan(of_paths(f"{number}.wav" for number in range(count)).table(), 0, 0, "rows/run=1")
    small = {"object_store_memory": 100_000_000, "node_ip_address": "127.0.0.2"}
    simulated = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **small})
    for _ in range(nodes - 1):
        simulated.add_node(num_cpus=1, **small)
    ray.init(
        address=simulated.address,
        log_to_driver=False,
        logging_level="ERROR",
        _node_ip_address="127.0.0.2",
    )
    ends: list[tuple[float, int]] = []
    try:
        used = time.process_time()
        run(
            ray,
            ArchiveFolder(str(out)),
            job,
            todo,
            workers=nodes,
            limit=60,
            worker=sleeper,
            watch=lambda tally: ends.append((time.perf_counter(), tally.files)),
        )
        used = time.process_time() - used
    finally:
        ray.shutdown()
        simulated.shutdown()
    (first, heard), (last, total) = ends[nodes - 1], ends[-1]
    pace = (total - heard) / max(1e-9, last - first)
    return {
        "of_linear": pace * sleeper.nap / nodes,
        "driver_ms": 1000 * used,
        "pieces": float(len(ends)),
        "bytes_per_row": todo.missing.nbytes / count,
    }


def planned(rows: int, folder: Path) -> dict[str, float]:
    """Plan a manifest of which all but a hundredth is there: s, and MB at most."""
    import resource

    import pyarrow
    from pyarrow import parquet

    from sottovoce.archive.job import ArchiveFolder, ArchiveJob, begin
    from sottovoce.archive.manifest import of_table
    from sottovoce.archive.plan import plan
    from sottovoce.archive.schema import archive_schema

    job = ArchiveJob(model="", title="", digest="", labels=("a", "b"), timeline=False, options={})
    archive = ArchiveFolder(str(folder / "out"))
    begin(archive, job)
    paths = [f"/calls/{number // 1000:04}/{number:07}.wav" for number in range(rows)]
    file = folder / "manifest.parquet"
    parquet.write_table(pyarrow.table({"path": paths}), file)
    parts = folder / "out" / "rows" / "run=0001"
    parts.mkdir(parents=True)
    schema = archive_schema(job)
    for at in range(0, rows - rows // 100, PIECE):
        some = paths[at : min(at + PIECE, rows - rows // 100)]
        columns = {"id": some, "path": some, "status": ["ok"] * len(some)}
        table = pyarrow.table(
            [
                columns[name] if name in columns else pyarrow.nulls(len(some), kind)
                for name, kind in zip(schema.names, schema.types, strict=True)
            ],
            schema=schema,
        )
        parquet.write_table(table, parts / f"part-{at:08}-0000.parquet")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    begun = time.perf_counter()
    todo = plan(archive, of_table(str(file)).table())
    assert len(todo.missing) == rows // 100, len(todo.missing)
    return {
        "seconds": time.perf_counter() - begun,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "mb_before": before,
    }


def measured(what: str, arguments: dict[str, Any]) -> dict[str, float]:
    """One measurement, in a process of its own."""
    command = [sys.executable, __file__, "--measure", what, "--arguments", json.dumps(arguments)]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        code = subprocess.run(command, stdout=said, stderr=errors, check=False).returncode
        said.seek(0)
        errors.seek(0)
        lines = said.read().splitlines()
        if code:
            sys.exit(f"{what}: {errors.read()[-2000:]}")
    found: dict[str, float] = json.loads(lines[-1])
    return found


def measure(what: str, arguments: dict[str, Any]) -> dict[str, float]:
    """What `measured` starts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if what == "plan":
            return planned(arguments["rows"], folder)
        if what == "cluster":
            return cluster(arguments["nodes"], arguments["seconds"], folder / "out")
        if what == "driver":
            return cluster(2, arguments["seconds"], folder / "out", ShortSleeper)
        paths = linked(Path(arguments["data"]), folder / "in", arguments["clips"])
        if what == "one":
            return one_process(paths)
        return archived(paths, folder / "out", arguments["workers"])


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default=str(SAMPLES), help="folder of recordings")
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=60.0, help="of sleep on each node")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--arguments", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, json.loads(given.arguments))))
        return
    clips = {"data": str(Path(given.data).resolve()), "clips": given.clips}
    one = measured("one", clips)
    two = measured("archive", clips | {"workers": 2})
    few, some = max(100, given.clips // 10), max(200, given.clips // 5)
    fewer = measured("archive", clips | {"workers": 2, "clips": few})
    turns = [
        [measured("archive", clips | {"workers": workers, "clips": some}) for workers in (2, 1)]
        for _ in range(TURNS)
    ]
    gains = [pair["files_per_second"] / alone["files_per_second"] for pair, alone in turns]
    lines = [
        (
            f"{given.clips} clips, once started, against predict_many (2 workers)",
            f"{two['files_per_second'] / one['files_per_second']:.2f} "
            f"({two['files_per_second']:.0f} and {one['files_per_second']:.0f} files/s)",
            ">= 0.85",
        ),
        ("start", f"{two['start']:.1f} s", "<= 15 s"),
        (
            f"two workers against one, {some} clips each, median of {TURNS} turns",
            f"{statistics.median(gains):.2f} ({min(gains):.2f} to {max(gains):.2f})",
            ">= 1.8",
        ),
        (
            "memory of a worker: Ray's process, and the one that hears",
            f"{two['worker_mb']:.0f} + {two['hearing_mb']:.0f} MB",
            "<= 400 MB",
        ),
        (
            f"the same with {few} clips",
            f"{fewer['worker_mb']:.0f} + {fewer['hearing_mb']:.0f} MB",
            "within 10 %",
        ),
    ]
    for nodes in given.nodes:
        found = measured("cluster", {"nodes": nodes, "seconds": given.seconds})
        lines.append(
            (
                f"simulated cluster of {nodes}",
                f"{found['of_linear']:.2f} of linear, driver "
                f"{found['driver_ms'] / found['pieces']:.1f} ms a piece "
                f"({found['pieces']:.0f} pieces)",
                ">= 0.9",
            )
        )
    if given.nodes:
        few, many = (measured("driver", {"seconds": seconds}) for seconds in (10, 40))
        more = (many["driver_ms"] - few["driver_ms"]) / (many["pieces"] - few["pieces"])
        lines.append(
            (
                "driver, each further piece of 256 recordings",
                f"{more:.1f} ms of processor ({few['pieces']:.0f} and {many['pieces']:.0f} pieces)",
                "",
            )
        )
    found = measured("plan", {"rows": given.rows})
    lines.append(
        (
            f"plan and resume check of {given.rows:,} rows",
            f"{found['seconds']:.1f} s, {found['mb']:.0f} MB at most",
            "<= 60 s, <= 2 GB",
        )
    )
    print("| | measured | must |\n|---|---|---|")
    for line in lines:
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()
