"""Requests that come together share a batch of the network: `SharedModel`."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Samples
from sottovoce.errors import ModelError
from sottovoce.inference.predictor import BATCH_SECONDS, Probabilities, batches
from sottovoce.models.model import Model
from sottovoce.models.network import Baselines, ModelNetwork, NetworkOnDemand
from sottovoce.system import available_cpus
from sottovoce.vad.gate import CHUNK
from sottovoce.vad.silero import speech_probabilities

MAX_CLIPS = 64
"""Clips that are taken from the queue at a time."""

Row = tuple[NDArray[np.float32], int]
"""(dimensions,) baseline and kind of one clip."""

QueuedClip = tuple[Samples, Row | None, "Future[Probabilities]"]


class Batcher:
    """Threads that run the network on whatever waits for it.

    No clip waits for others: those that come while batches run make up the next one.

    Args:
        network: what runs: (clips, samples), perhaps with `Baselines` -> (clips, classes).
        sample_rate: of its clips, Hz.
        threads: how many, each with a batch of its own.
    """

    def __init__(
        self, network: Callable[..., Probabilities], sample_rate: int, threads: int = 1
    ) -> None:
        self._network = network
        self._rate = sample_rate
        self._queue: queue.SimpleQueue[QueuedClip | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self.observe: Callable[[int], None] = lambda clips: None
        """Called with the size of every batch."""
        self._threads = [
            threading.Thread(target=self._work, name="sottovoce-batch", daemon=True)
            for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many clips wait, about."""
        return self._queue.qsize()

    def run(self, batch: Samples, baselines: Baselines | None = None) -> Probabilities:
        """(clips, samples) -> (clips, classes), together with others' clips of that length.

        Clips with profiles, each with its own, share batches with those without.

        Raises:
            ModelError: the network cannot take them, or the batcher is closed.
        """
        futures: list[Future[Probabilities]] = [Future() for _ in batch]
        with self._closing:
            if self._closed:
                raise ModelError("the model is closed")
            for place, (samples, future) in enumerate(zip(batch, futures, strict=True)):
                row: Row | None = None
                if baselines is not None:
                    row = baselines.baseline[place], int(baselines.kind[place])
                self._queue.put((samples, row, future))
        return np.stack([future.result() for future in futures])

    def close(self) -> None:
        """Run what waits, and stop."""
        with self._closing:
            self._closed = True
            for _ in self._threads:
                self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            clips, is_last = [first], False
            with contextlib.suppress(queue.Empty):
                while len(clips) < MAX_CLIPS and not is_last:
                    if (clip := self._queue.get_nowait()) is None:
                        is_last = True
                    else:
                        clips.append(clip)
            for places in batches([samples.size for samples, *_ in clips], self._rate):
                self._run([clips[place] for place in places])
            if is_last:
                return

    def _run(self, clips: list[QueuedClip]) -> None:
        self.observe(len(clips))
        try:
            samples = np.stack([samples for samples, *_ in clips])
            baselines = _joined([row for _, row, _ in clips])
            rows = (
                self._network(samples) if baselines is None else self._network(samples, baselines)
            )
        except Exception as error:  # of whatever kind: it goes to the threads that wait
            for *_, future in clips:
                future.set_exception(error)
            return
        for (*_, future), row in zip(clips, rows, strict=True):
            future.set_result(row)


def _joined(rows: list[Row | None]) -> Baselines | None:
    """The baselines of clips of which some may have no profile; None where none has one."""
    known = [row for row in rows if row is not None]
    if not known:
        return None
    none: Row = np.zeros_like(known[0][0]), 0
    each = [row or none for row in rows]
    return Baselines(
        np.stack([baseline for baseline, _ in each]), np.array([kind for _, kind in each])
    )


class SharedModel(Model):
    """A model for many threads: requests, timelines and streams share its batches."""

    def __init__(self, network: ModelNetwork | NetworkOnDemand) -> None:
        super().__init__(network)
        self.batcher = Batcher(super().probabilities, network.card.sample_rate, available_cpus())

    def warm_up(self) -> None:
        """Run the largest batch there can be, of silence: its memory is taken at the start."""
        speech_probabilities(np.zeros(CHUNK, np.float32))
        seconds = min(self.card.window.max, BATCH_SECONDS)
        clips = int(BATCH_SECONDS / seconds)
        self.probabilities(np.zeros((clips, round(seconds * self.card.sample_rate)), np.float32))

    def probabilities(
        self, batch: NDArray[np.floating[Any]], baselines: Baselines | None = None
    ) -> Probabilities:
        """As `Model.probabilities`, in a batch with what other threads run at the time."""
        return self.batcher.run(np.ascontiguousarray(batch, dtype=np.float32), baselines)
