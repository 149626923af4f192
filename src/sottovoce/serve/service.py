"""The service itself: its models, the threads that judge, and what it has in hand."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sottovoce.audio import Audio
from sottovoce.errors import SottovoceError
from sottovoce.models.registry import find
from sottovoce.results import Prediction, Segment, Status, Summary
from sottovoce.serve.admission import Admission
from sottovoce.serve.batching import SharedModel
from sottovoce.serve.errors import Refusal, stopping
from sottovoce.serve.metrics import Metrics
from sottovoce.serve.settings import Settings
from sottovoce.serve.store import Row, Store, rows_of
from sottovoce.system import available_cpus

Result = TypeVar("Result")

STORE_WAITS = 10.0
"""s that an answer waits for the store."""

THREADS = 4
"""Threads for every processor, for each kind of work: most of them wait for a batch."""


class Service:
    """What all requests share.

    Args:
        settings: what it is asked to be.

    Raises:
        ModelError: a model is not there, or is refused.
        SottovoceError: two models have one name, or the store cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.metrics = Metrics()
        self.admission = Admission(settings.limits)
        self.models = _opened(settings)
        self.store = None if settings.store is None else Store(settings.store)
        self.stopping = asyncio.Event()
        """Set when streams are to finish."""
        self.given_up = threading.Event()
        """Set when nobody waits for answers any more."""
        threads = THREADS * available_cpus()
        self.short = ThreadPoolExecutor(threads, thread_name_prefix="sottovoce-predict")
        self.long = ThreadPoolExecutor(threads, thread_name_prefix="sottovoce-timeline")
        self.live = ThreadPoolExecutor(threads, thread_name_prefix="sottovoce-stream")
        for model in self.models.values():
            model.batcher.observe = self.metrics.batches.observe
        self.metrics.busy.set_function(lambda: self.admission.requests)
        self.metrics.streams.set_function(lambda: self.admission.streams)
        self.metrics.held.set_function(lambda: self.admission.held)
        self.metrics.queue.set_function(
            lambda: sum(model.batcher.waiting for model in self.models.values())
        )

    def model(self, name: str | None) -> SharedModel:
        """The model of that name, or the first one.

        Raises:
            Refusal: 404, it is not served here.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            known = ", ".join(self.models)
            raise Refusal(404, "no_such_model", f"no such model is served here; there are: {known}")
        return self.models[name]

    async def run(
        self, pool: ThreadPoolExecutor, work: Callable[..., Result], *arguments: object
    ) -> Result:
        """Run something in one of the pools."""
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    def predict(self, model: SharedModel, content: bytes, threshold: float | None) -> Prediction:
        """The emotion in one recording; to be run in a thread.

        Raises:
            Refusal: 413 or 422, it is too long or cannot be judged.
        """
        watch = Watch(self.limits.duration, self.limits.work, self.given_up)
        try:
            audio = Audio.read(content, sample_rate=model.card.sample_rate, watch=watch)
            return model.predict(audio, min_confidence=threshold)
        except (SottovoceError, MemoryError) as error:
            raise unreadable(error) from None

    def follow(
        self, model: SharedModel, content: bytes, options: dict[str, Any]
    ) -> tuple[list[Segment], Summary]:
        """Emotion over time in one recording; to be run in a thread.

        Raises:
            Refusal: as for `predict`.
        """
        watch = Watch(self.limits.timeline, self.limits.work, self.given_up)
        segments = []
        try:
            with model.timeline(content, workers=THREADS, **options) as timeline:
                for segment in timeline:
                    watch(segment.end)
                    segments.append(segment)
                return segments, timeline.summary()
        except (SottovoceError, MemoryError) as error:
            raise unreadable(error) from None

    async def keep(
        self,
        kind: str,
        request: str,
        caller: str | None,
        model: str,
        found: Sequence[Prediction | Segment],
        contents: Sequence[bytes] = (),
    ) -> None:
        """Hand results to the store, if there is one, and wait until they are written.

        An answer is given all the same where they could not be; that is counted.

        Args:
            kind: as for `rows_of`, as are `request`, `caller`, `model` and `found`.
            request: its id.
            caller: the caller's id.
            model: its title.
            found: the results.
            contents: the recordings, which are kept only if that was asked for.
        """
        if self.store is None or not found:
            return
        results = await asyncio.to_thread(rows_of, kind, request, caller, model, found)
        recordings: list[Row] = [
            {"request": request, "number": number, "content": content}
            for number, content in enumerate(contents if self.settings.store_audio else (), 1)
        ]
        written = False
        future = self.store.add(results, recordings)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STORE_WAITS):
                written = await asyncio.wrap_future(future)
        if not written:
            self.metrics.unstored.inc(len(results))
        if future.cancel():  # what still stands in the store's queue takes no memory there
            results.clear()
            recordings.clear()

    async def is_ready(self) -> str:
        """Why it takes no requests, in a word; "ok" if it does."""
        if self.admission.stopping:
            return "stopping"
        if self.store is not None and not await asyncio.to_thread(self.store.answers):
            return "no store"
        return "ok"

    def close(self) -> None:
        """Give up what is still being judged, and let go of the threads and the store."""
        self.given_up.set()
        for pool in (self.short, self.long, self.live):
            pool.shutdown()
        for model in self.models.values():
            model.batcher.close()
        if self.store is not None:
            self.store.close()


class Watch:
    """Ends the work on a recording that is too long, or takes too long.

    Args:
        duration: s of audio that there may be.
        work: s from now that it may take.
        given_up: ends it too, when set.
    """

    def __init__(self, duration: float, work: float, given_up: threading.Event) -> None:
        self._given_up = given_up
        self._duration = duration
        self._work = work
        self._until = time.monotonic() + work

    def __call__(self, seconds: float) -> None:
        """Look at the clock, after so many seconds of audio.

        Raises:
            Refusal: 413, or 503 where the service stops.
        """
        if self._given_up.is_set():
            raise stopping()
        if seconds > self._duration:
            raise Refusal(413, "too_long", f"the recording is longer than {self._duration:g} s")
        if time.monotonic() > self._until:
            message = f"the recording takes longer than {self._work:g} s to judge; send parts of it"
            raise Refusal(413, "too_much_work", message)


def unreadable(error: SottovoceError | MemoryError) -> Refusal:
    """Make the refusal of a recording that cannot be judged."""
    said = str(error) or "not enough memory to decode it; split it"
    for nameless in ("the bytes given: ", "the array given: "):
        said = said.removeprefix(nameless)
    return Refusal(422, "unreadable", said)


def failed(model: SharedModel, refusal: Refusal) -> Prediction:
    """The prediction, of status `error`, for one recording of several that is refused."""
    return Prediction(status=Status.ERROR, model=model.card.title, message=refusal.detail)


def _opened(settings: Settings) -> Mapping[str, SharedModel]:
    models: dict[str, SharedModel] = {}
    for name in settings.models:
        model = SharedModel.open(find(name))
        model.warm_up()
        if model.card.name in models:
            raise SottovoceError(f"two models are called {model.card.name}; serve one of them")
        models[model.card.name] = model
    return models
