"""Requests that come together share a batch, and none hears another's answer."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from serving import PREDICT, get, sound, until
from tiny_model import RATE, VOICE, tiny_card, write_tiny

from sottovoce.audio import Audio
from sottovoce.errors import ModelError
from sottovoce.models.card import WindowPolicy
from sottovoce.serve.batching import Batcher, SharedModel


class Slow:
    """A network that runs when it is let, and remembers its batches."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.entered = threading.Event()
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, batch):
        self.entered.set()
        assert self.go.wait(30)
        self.shapes.append(batch.shape)
        if batch.shape[1] == 13:
            raise ModelError("13 samples")
        return batch[:, :2] * 2


def test_what_waits_while_a_batch_runs_makes_up_the_next_by_length():
    network = Slow()
    batcher = Batcher(network, sample_rate=8)
    clips = [np.full((1, length), n, np.float32) for n, length in enumerate([8, 8, 4, 8, 4, 13])]
    with ThreadPoolExecutor(len(clips)) as pool:
        first = pool.submit(batcher.run, clips[0])
        assert network.entered.wait(30)
        rest = [pool.submit(batcher.run, clip) for clip in clips[1:]]
        until(lambda: batcher.waiting == len(rest))
        network.go.set()
        rows = [future.result() for future in (first, *rest[:-1])]
        with pytest.raises(ModelError, match="13 samples"):
            rest[-1].result()
    batcher.close()
    assert network.shapes == [(1, 8), (2, 4), (2, 8), (1, 13)]
    np.testing.assert_array_equal(np.concatenate(rows)[:, 0], np.arange(5) * 2)


def test_a_batcher_that_is_closed_first_runs_what_waits():
    network = Slow()
    batcher = Batcher(network, sample_rate=8)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(batcher.run, np.ones((1, 8), np.float32))]
        assert network.entered.wait(30)
        futures += [pool.submit(batcher.run, np.ones((1, 8), np.float32)) for _ in range(2)]
        until(lambda: batcher.waiting == 2)
        closing = pool.submit(batcher.close)
        until(lambda: batcher.waiting == 3)  # with the mark of the end
        network.go.set()
        closing.result(5)
        assert all(future.result(5).shape == (1, 2) for future in futures)


@pytest.mark.parametrize(("longest", "shape"), [(30.0, (1, 30)), (4.0, (8, 4)), (90.0, (1, 32))])
def test_warming_up_is_as_large_as_a_batch_gets_so_that_memory_does_not_grow_later(
    tmp_path, monkeypatch, longest, shape
):
    card = tiny_card(
        window=WindowPolicy(trim="speech", margin=0.3, grid=0.25, min=0.5, max=longest)
    )
    model = SharedModel.open(write_tiny(tmp_path / "tiny.onnx", card=card))
    shapes = []

    def network(batch):
        shapes.append(batch.shape)
        return np.zeros((len(batch), 2), np.float32)

    monkeypatch.setattr(model.batcher, "_network", network)
    model.warm_up()
    model.batcher.close()
    assert shapes == [(shape[0], shape[1] * RATE)]


def test_every_caller_gets_the_answer_about_his_own_recording(served, model):
    voice = Audio.read(VOICE)
    gains = np.linspace(0.2, 1.0, 12)
    clips = [sound(voice.samples[0] * gain, RATE) for gain in gains]
    expected = [model.predict(clip).probabilities for clip in clips]
    assert len({tuple(probabilities.values()) for probabilities in expected}) == len(clips)

    def predict(clip):
        with httpx.Client(base_url=served.url) as client:
            answer = client.post(PREDICT, content=clip).json()
        return answer["predictions"][0]["probabilities"]

    with ThreadPoolExecutor(len(clips)) as pool:
        for found, probabilities in zip(pool.map(predict, clips * 3), expected * 3, strict=True):
            assert found == pytest.approx(probabilities, abs=1e-6)
    metrics = get(f"{served.url}/metrics").text.splitlines()
    (runs,) = (
        line.split()[1] for line in metrics if line.startswith("sottovoce_batch_clips_count")
    )
    assert float(runs) <= 3 * len(clips)


def test_a_batcher_that_is_closed_lets_nobody_wait():
    network = Slow()
    network.go.set()
    batcher = Batcher(network, sample_rate=8)
    batcher.close()
    with pytest.raises(ModelError, match="closed"):
        batcher.run(np.ones((1, 8), np.float32))


def test_several_threads_run_batches_at_once_and_all_end():
    running, together = threading.Event(), threading.Barrier(2)

    def network(batch):
        running.set()
        together.wait(30)
        return batch[:, :2]

    batcher = Batcher(network, sample_rate=8, threads=2)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher.run, np.ones((1, 8), np.float32))
        assert running.wait(30)  # or both clips might share one batch
        second = pool.submit(batcher.run, np.ones((1, 8), np.float32))
        assert [first.result().shape, second.result().shape] == [(1, 2)] * 2
    batcher.close()
    with pytest.raises(ModelError, match="closed"):
        batcher.run(np.ones((1, 8), np.float32))
