"""The detector of speech, asked by many threads at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from sottovoce.system import available_cpus
from sottovoce.vad import silero


@pytest.fixture
def opened(monkeypatch):
    """The detector as nobody has asked it yet; how often it was opened, and runs at a time."""
    count = {"opened": 0, "running": 0, "most": 0}
    lock = threading.Lock()

    class Session:
        def __init__(self, *arguments, **options):
            time.sleep(0.02)  # long enough for others to come meanwhile
            with lock:
                count["opened"] += 1

        def run(self, outputs, feed):
            with lock:
                count["running"] += 1
                count["most"] = max(count["most"], count["running"])
            time.sleep(0.01)
            with lock:
                count["running"] -= 1
            return np.zeros(len(feed["input"]), np.float32), feed["h"], feed["c"]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    silero._session.cache_clear()
    yield count
    silero._session.cache_clear()


def test_it_is_opened_once_and_no_more_run_at_a_time_than_there_are_processors(opened):
    crowd = 6 * available_cpus()
    together = threading.Barrier(crowd)

    def ask(number):
        together.wait(30)
        return silero.speech_probabilities(np.zeros(number * silero.FRAME, np.float32)).size

    with ThreadPoolExecutor(crowd) as pool:
        assert list(pool.map(ask, range(1, crowd + 1))) == list(range(1, crowd + 1))
    assert opened["opened"] == 1
    assert 1 <= opened["most"] <= available_cpus()
