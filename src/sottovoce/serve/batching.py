"""Runs of the network that are asked for together share a batch: `SharedModel`."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sottovoce.audio import Samples
from sottovoce.errors import ModelError
from sottovoce.inference.predictor import BATCH_SECONDS, Network, Probabilities, batches
from sottovoce.models.card import Card
from sottovoce.models.model import Model
from sottovoce.vad.gate import CHUNK
from sottovoce.vad.silero import speech_probabilities

MOST = 64
"""Clips that are looked at together."""

Waiting = tuple[Samples, "Future[Probabilities]"]


class Batcher:
    """A thread that runs the network on whatever waits for it.

    Nothing waits for company: while one batch runs, those who come meanwhile make up the next one.

    Args:
        network: what runs.
        sample_rate: of its clips, Hz.
    """

    def __init__(self, network: Network, sample_rate: int) -> None:
        self._network = network
        self._rate = sample_rate
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self.observe: Callable[[int], None] = lambda clips: None
        """Called with the size of every batch."""
        self._thread = threading.Thread(target=self._work, name="sottovoce-batch", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many clips wait, about."""
        return self._queue.qsize()

    def run(self, batch: Samples) -> Probabilities:
        """(clips, samples) -> (clips, classes), together with others' clips of that length.

        Raises:
            ModelError: the network cannot take them, or the batcher is closed.
        """
        futures: list[Future[Probabilities]] = [Future() for _ in batch]
        with self._closing:
            if self._closed:
                raise ModelError("the model is closed; nobody may ask it any more")
            for pair in zip(batch, futures, strict=True):
                self._queue.put(pair)
        return np.stack([future.result() for future in futures])

    def close(self) -> None:
        """Run what waits, and stop."""
        with self._closing:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            together, last = [first], False
            while len(together) < MOST and not self._queue.empty() and not last:
                if (following := self._queue.get()) is None:
                    last = True
                else:
                    together.append(following)
            for places in batches([clip.size for clip, _ in together], self._rate):
                self._run([together[place] for place in places])
            if last:
                return

    def _run(self, together: list[Waiting]) -> None:
        self.observe(len(together))
        try:
            rows = self._network(np.stack([clip for clip, _ in together]))
        except Exception as error:  # whatever it is, those who wait must hear of it
            for _, future in together:
                future.set_exception(error)
            return
        for (_, future), row in zip(together, rows, strict=True):
            future.set_result(row)


class SharedModel(Model):
    """A model that is asked from many threads, in requests, timelines and streams."""

    def __init__(
        self,
        card: Card,
        session: onnxruntime.InferenceSession,
        encoder: onnxruntime.InferenceSession | None = None,
    ) -> None:
        super().__init__(card, session, encoder)
        self.batcher = Batcher(super().probabilities, card.sample_rate)

    def warm_up(self) -> None:
        """Hear as much as is ever heard at once, silence: what it takes is taken at the start."""
        speech_probabilities(np.zeros(CHUNK, np.float32))
        seconds = min(self.card.window.max, BATCH_SECONDS)
        clips = int(BATCH_SECONDS / seconds)
        self.probabilities(np.zeros((clips, round(seconds * self.card.sample_rate)), np.float32))

    def probabilities(self, batch: NDArray[np.floating[Any]]) -> Probabilities:
        """As `Model.probabilities`, together with what others ask at the time."""
        return self.batcher.run(np.ascontiguousarray(batch, dtype=np.float32))
