"""A thousand broken recordings: each is answered, and nothing grows."""

import gc
import threading
from importlib import import_module
from pathlib import Path

import psutil
import pytest
from serving import PREDICT

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
COUNT = 500
"""For each path."""


@pytest.mark.parametrize("path", [PREDICT, "/v1/timeline?hop=3&smoothing=off"])
def test_mutated_recordings_are_answered_and_leave_nothing_behind(served, http, path, monkeypatch):
    process = psutil.Process()
    monkeypatch.syspath_prepend(BENCHMARKS)
    mistakes = import_module("mutated")
    whole = mistakes.originals()

    def post_broken(first):
        for number in range(first, first + COUNT // 2):
            answer = http.post(path, content=mistakes.mutated(whole, number))
            assert answer.status_code in (200, 413, 422), (number, answer.text)

    post_broken(0)
    gc.collect()
    before = process.memory_info().rss, process.num_fds(), threading.active_count()
    post_broken(COUNT // 2)
    gc.collect()
    after = process.memory_info().rss, process.num_fds(), threading.active_count()
    assert after[0] - before[0] < 60e6
    assert after[1] <= before[1] + 2
    assert after[2] <= before[2] + 8
    assert served.service.admission.held == 0
    assert http.get("/healthz").status_code == 200
    assert not list(Path().glob("core*"))
