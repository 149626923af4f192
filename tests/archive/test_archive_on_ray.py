"""Archives made by Ray: the same rows by any number of workers, and after any of them is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from archive_job import job_of
from tiny_model import VOICE

from sottovoce.archive.job import ArchiveFolder, begin, open_archive
from sottovoce.archive.manifest import of_paths
from sottovoce.archive.plan import plan
from sottovoce.archive.status import read_rows

ray = pytest.importorskip("ray")

from sottovoce.archive.run import piece_size, run  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")
"""Ray warns of its own ways."""

ODD = Path(__file__).parents[1] / "fakes" / "odd_decoder"
PATIENCE = 240.0
"""s."""


@pytest.fixture(scope="module")
def cluster():
    """Two nodes, a processor each, that Ray simulates here; their workers dawdle at slow*.wav."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        path = os.pathsep.join([str(ODD), *filter(None, [os.environ.get("PYTHONPATH")])])
        patched.setenv("PYTHONPATH", path)
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        small = {"num_cpus": 1, "object_store_memory": 100_000_000, "node_ip_address": "127.0.0.2"}
        made = Cluster(initialize_head=True, head_node_args=small)
        made.add_node(**small)
        ray.init(
            address=made.address,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.2",
        )
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def hear(cluster, tiny, model):
    """Make an archive of recordings on the cluster; gives its rows."""

    def call(paths, out, workers, watch=lambda tally: None):
        job = job_of(model).model_copy(update={"model": str(tiny)})
        folder = ArchiveFolder(str(out))
        begin(folder, job)
        todo = plan(folder, of_paths(map(str, paths)).table())
        run(ray, folder, job, todo, workers=workers, limit=60.0, watch=watch)
        return rows_of(out)

    return call


def rows_of(out):
    folder = ArchiveFolder(str(out))
    return read_rows(folder, open_archive(folder)).to_pylist()


def copies(folder, *names):
    folder.mkdir(exist_ok=True)
    return [Path(shutil.copy(VOICE, folder / name)) for name in names]


def test_rows_are_the_same_whatever_the_number_of_workers(hear, tmp_path, model):
    paths = sorted(VOICE.parent.glob("*.wav")) + copies(
        tmp_path / "in", *(f"{number}.wav" for number in range(30))
    )
    expected = {answer.source: answer.row() for answer in model.predict_many(paths)}
    for workers in (1, 2):
        rows = {row["path"]: row for row in hear(paths, tmp_path / f"out{workers}", workers)}
        assert rows.keys() == expected.keys()
        for path, answer in expected.items():
            assert {name: rows[path][name] for name in answer} == answer


def test_pieces_are_so_large_that_a_driver_can_hand_them_out_and_so_small_that_all_have_work():
    assert piece_size(1_000_000, 2) == 256  # a few seconds of work each
    assert piece_size(1_000_000_000, 1000) == 62 * 256  # some minutes
    for recordings, workers in ((100, 4), (1_000_000, 1000), (100_000_000, 1000)):
        pieces = recordings / piece_size(recordings, workers)
        assert pieces >= workers


def test_losing_a_machine_loses_nothing_and_doubles_nothing(hear, cluster, tmp_path):
    paths = copies(tmp_path / "in", *(f"slow-{number:02}.wav" for number in range(48)))
    lost = []

    def lose(_):
        if not lost:
            (node,) = cluster.worker_nodes
            cluster.remove_node(node, allow_graceful=False)
            lost.append(node)

    rows = hear(paths, tmp_path / "out", 2, lose)
    assert lost
    assert sorted(row["path"] for row in rows) == list(map(str, paths))


@pytest.fixture
def odd(monkeypatch):
    """Processes that hear die at crash*.wav, hang at hang*.wav and dawdle at slow*.wav."""
    path = os.pathsep.join([str(ODD), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)


class Ray:
    """The command, by Ray, in a process of its own."""

    def __init__(self, tiny):
        self._model = str(tiny)

    def command(self, source, out, *more):
        words = ["archive", str(source), str(out), "--model", self._model, "--workers", "2", *more]
        return [sys.executable, "-c", "from sottovoce.cli import main; main()", *words]

    def start(self, source, out, *more):
        return subprocess.Popen(
            self.command(source, out, *more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, source, out, *more):
        process = self.start(source, out, *more)
        said, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, said, errors


@pytest.fixture
def by_ray(tiny, odd):
    return Ray(tiny)


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.05)
    return found


def finished(out):
    """Parts that are there -> their content."""
    return {part: part.read_bytes() for part in sorted(Path(out).glob("rows/*/part-*.parquet"))}


def test_killing_a_worker_and_then_the_driver_loses_nothing_and_doubles_nothing(by_ray, tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    copies(source, *(f"slow-{number:02}.wav" for number in range(48)), "crash.wav")
    driver = by_ray.start(source, out)
    below = psutil.Process(driver.pid)
    wait_for(lambda: finished(out), "the first part")
    worker = next(
        process.parent()
        for process in below.children(recursive=True)
        if "sottovoce.archive.child" in process.cmdline()
    )
    worker.send_signal(signal.SIGKILL)
    count = len(finished(out))
    wait_for(lambda: len(finished(out)) > count, "a part after the worker's death")
    others = below.children(recursive=True)
    driver.send_signal(signal.SIGKILL)
    driver.communicate(timeout=PATIENCE)
    psutil.wait_procs(others, timeout=PATIENCE)
    assert not [process for process in others if process.is_running()]
    before = finished(out)
    done = len(rows_of(out))
    assert 0 < done < 49
    code, said_, errors = by_ray.run(source, out)
    assert code == 1, errors
    assert "Traceback" not in errors, errors
    assert f"{done} recordings are there, {49 - done} to hear" in errors
    assert before.items() <= finished(out).items()
    rows = rows_of(out)
    assert sorted(row["path"] for row in rows) == sorted(map(str, source.iterdir()))
    assert "crash.wav: the process that read it ended with signal SIGSEGV" in said_
    assert json.loads((out / "progress.json").read_text())["planned"] == 49 - done
