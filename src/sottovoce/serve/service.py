"""The service itself: its models, the threads that work, and how much it takes at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sottovoce.audio import Audio
from sottovoce.errors import SottovoceError
from sottovoce.inference.profile import Kind, Profile
from sottovoce.models.registry import find
from sottovoce.options import Limits, PredictOptions, TimelineOptions
from sottovoce.results import Prediction, Segment, TimelineResult
from sottovoce.serve.batching import SharedModel
from sottovoce.serve.errors import ServiceError, stopping, too_busy
from sottovoce.serve.metrics import Metrics
from sottovoce.serve.settings import Settings
from sottovoce.serve.store import Row, Store, result_rows
from sottovoce.system import available_cpus

T = TypeVar("T")

STORE_TIMEOUT = 10.0
"""s that a response waits for the store."""

THREADS_PER_CPU = 4
"""Of each pool: most threads wait for a batch."""


class Service:
    """What all requests share.

    Args:
        settings: its models, limits, keys and store.

    Raises:
        ModelError: a model is not there, or is refused.
        SottovoceError: two models have one name, or the store cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.metrics = Metrics()
        self.admission = Admission(settings.limits)
        self.models = _open_models(settings)
        self.files = dict(zip(self.models, map(find, settings.models), strict=True))
        """Where each model lies."""
        self.profile = _open_profile(settings, next(iter(self.models.values())))
        """What recordings are judged with where a request brings no profile."""
        self.store = None if settings.store is None else Store(settings.store)
        self.stopping = asyncio.Event()
        """Set when streams are to finish."""
        self.cancelled = threading.Event()
        """Set when nobody waits for results any more."""
        threads = THREADS_PER_CPU * available_cpus()
        self.predict_pool = ThreadPoolExecutor(threads, thread_name_prefix="sottovoce-predict")
        self.timeline_pool = ThreadPoolExecutor(threads, thread_name_prefix="sottovoce-timeline")
        self.stream_pool = ThreadPoolExecutor(threads, thread_name_prefix="sottovoce-stream")
        for model in self.models.values():
            model.batcher.observe = self.metrics.batch_clips.observe
        self.metrics.requests_in_progress.set_function(lambda: self.admission.requests)
        self.metrics.streams.set_function(lambda: self.admission.streams)
        self.metrics.held_bytes.set_function(lambda: self.admission.held)
        self.metrics.queue_clips.set_function(
            lambda: sum(model.batcher.waiting for model in self.models.values())
        )

    def model(self, name: str | None) -> SharedModel:
        """The model of that name, or the first one.

        Raises:
            ServiceError: 404, it is not served here.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise ServiceError(
                404,
                "no_such_model",
                f"no such model is served here; there are: {', '.join(self.models)}",
            )
        return self.models[name]

    async def run(
        self, pool: ThreadPoolExecutor, function: Callable[..., T], *arguments: object
    ) -> T:
        """Call a function in one of the pools."""
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

    def profile_for(self, model: SharedModel, given: str | Profile | None) -> Profile | None:
        """The profile that a request's recordings are judged with.

        Args:
            model: that judges.
            given: in the request: it, or its JSON text; None: the service's own, where it has one
                for this model.

        Raises:
            ServiceError: 422, it is none, another model's, or the model takes none.
        """
        if given is None:
            own = self.profile
            return own if own is not None and own.model_digest == model.digest else None
        try:
            profile = given if isinstance(given, Profile) else Profile.from_json(given)
            model.network(profile)
        except SottovoceError as error:
            raise ServiceError(422, "bad_profile", str(error)) from None
        return profile

    def make_profile(self, model: SharedModel, contents: Sequence[bytes], kind: Kind) -> Profile:
        """The profile of some recordings, of which nothing is kept; to be called in a thread.

        Raises:
            ServiceError: 413 or 422, one is too long, or none can be used.
        """
        limit = WorkLimit(self.limits.duration, self.limits.work, self.cancelled)
        rate = model.card.sample_rate
        try:
            audio = [Audio.read(each, sample_rate=rate, watch=limit.check) for each in contents]
            return model.profile(audio, kind)
        except (SottovoceError, MemoryError) as error:
            raise unreadable(error) from None

    def predict(
        self,
        model: SharedModel,
        content: bytes,
        options: PredictOptions,
        profile: Profile | None = None,
    ) -> Prediction:
        """The emotion in one recording; to be called in a thread.

        Raises:
            ServiceError: 413 or 422, it is too long or cannot be judged.
        """
        limit = WorkLimit(self.limits.duration, self.limits.work, self.cancelled)
        try:
            audio = Audio.read(content, sample_rate=model.card.sample_rate, watch=limit.check)
            return model.predict(audio, profile=profile, **dict(options))
        except (SottovoceError, MemoryError) as error:
            raise unreadable(error) from None

    def timeline(
        self,
        model: SharedModel,
        content: bytes,
        options: TimelineOptions,
        profile: Profile | None = None,
    ) -> TimelineResult:
        """Emotion over time in one recording; to be called in a thread.

        Raises:
            ServiceError: as for `predict`.
        """
        limit = WorkLimit(self.limits.timeline, self.limits.work, self.cancelled)
        segments = []
        try:
            timeline = model.timeline(
                content, profile=profile, workers=THREADS_PER_CPU, **dict(options)
            )
            with timeline:
                for segment in timeline:
                    limit.check(segment.end)
                    segments.append(segment)
                return TimelineResult(
                    model=model.card.title, segments=tuple(segments), summary=timeline.summary()
                )
        except (SottovoceError, MemoryError) as error:
            raise unreadable(error) from None

    async def store_results(
        self,
        kind: str,
        request: str,
        caller: str | None,
        model: str,
        results: Sequence[Prediction | Segment],
        contents: Sequence[bytes] = (),
    ) -> None:
        """Hand results to the store, if there is one, and wait until they are written.

        A response is sent all the same where they could not be; that is counted.

        Args:
            kind: as for `result_rows`, as are `request`, `caller`, `model` and `results`.
            request: its id.
            caller: the caller's id.
            model: its title.
            results: predictions, or segments.
            contents: the recordings, which are kept only if the settings say so.
        """
        if self.store is None or not results:
            return
        rows = await asyncio.to_thread(result_rows, kind, request, caller, model, results)
        recordings: list[Row] = [
            {"request": request, "number": number, "content": content}
            for number, content in enumerate(contents if self.settings.store_audio else (), 1)
        ]
        written = False
        future = self.store.add(rows, recordings)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STORE_TIMEOUT):
                written = await asyncio.wrap_future(future)
        if not written:
            self.metrics.unstored.inc(len(rows))
        if future.cancel():  # what still stands in the store's queue takes no memory there
            rows.clear()
            recordings.clear()

    async def readiness(self) -> str:
        """Why it takes no requests, in a word; "ok" if it does."""
        if self.admission.stopping:
            return "stopping"
        if self.store is not None and not await asyncio.to_thread(self.store.is_reachable):
            return "no store"
        return "ok"

    def close(self) -> None:
        """Give up what is still being done, and let go of the threads and the store."""
        self.cancelled.set()
        for pool in (self.predict_pool, self.timeline_pool, self.stream_pool):
            pool.shutdown()
        for model in self.models.values():
            model.batcher.close()
        if self.store is not None:
            self.store.close()


class Reservation:
    """The memory that one request holds."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.held = 0
        """Bytes."""

    def hold(self, size: int) -> None:
        """Hold so many more bytes.

        Raises:
            ServiceError: 429, all requests together would hold too much.
        """
        if self._admission.held + size > self._admission.limits.memory:
            raise too_busy("the service holds as many bytes as it may")
        self.held += size
        self._admission.held += size


class Admission:
    """Counts requests, the bytes that they hold, and streams; used from the event loop alone.

    Args:
        limits: how much there may be at a time.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = self.streams = self.held = 0
        self.stopping = False

    @contextlib.contextmanager
    def request(self) -> Iterator[Reservation]:
        """Take a request in; what it holds is free again at the end.

        Raises:
            ServiceError: 429, there are too many; 503, the service is about to stop.
        """
        if self.stopping:
            raise stopping()
        if self.requests >= self.limits.requests:
            raise too_busy(f"{self.requests} requests are being answered")
        reservation = Reservation(self)
        self.requests += 1
        try:
            yield reservation
        finally:
            self.requests -= 1
            self.held -= reservation.held

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Take a stream in.

        Raises:
            ServiceError: as for `request`.
        """
        if self.stopping:
            raise stopping()
        if self.streams >= self.limits.streams:
            raise too_busy(f"{self.streams} streams are open")
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1


class WorkLimit:
    """Ends the work on a recording that is too long, or takes too long.

    Args:
        duration: s of audio that there may be.
        work: s from now that it may take.
        cancelled: ends it too, when set.
    """

    def __init__(self, duration: float, work: float, cancelled: threading.Event) -> None:
        self._duration = duration
        self._work = work
        self._deadline = time.monotonic() + work
        self._cancelled = cancelled

    def check(self, seconds: float) -> None:
        """Look at the clock, after so many seconds of audio.

        Raises:
            ServiceError: 413, or 503 where the service stops.
        """
        if self._cancelled.is_set():
            raise stopping()
        if seconds > self._duration:
            message = f"the recording is longer than {self._duration:g} s"
            raise ServiceError(413, "too_long", message)
        if time.monotonic() > self._deadline:
            message = f"the recording takes longer than {self._work:g} s to judge; send parts of it"
            raise ServiceError(413, "too_much_work", message)


def unreadable(error: SottovoceError | MemoryError) -> ServiceError:
    """The refusal, with 422, of a recording that cannot be judged."""
    message = str(error) or "not enough memory to decode it; split it"
    for unnamed in ("the bytes given: ", "the array given: "):
        message = message.removeprefix(unnamed)
    return ServiceError(422, "unreadable", message)


def _open_profile(settings: Settings, model: SharedModel) -> Profile | None:
    if settings.profile is None:
        return None
    profile = Profile.load(settings.profile)
    model.network(profile)
    return profile


def _open_models(settings: Settings) -> Mapping[str, SharedModel]:
    models: dict[str, SharedModel] = {}
    for name in settings.models:
        model = SharedModel.open(find(name))
        model.warm_up()
        if model.card.name in models:
            raise SottovoceError(f"two models are called {model.card.name}; serve one of them")
        models[model.card.name] = model
    return models
