"""The service itself: its models, the threads that work, and how much it takes at a time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sottovoce.audio import Audio
from sottovoce.errors import ModelError, SottovoceError
from sottovoce.inference.profile import Kind, Profile
from sottovoce.models.ensemble import Ensemble
from sottovoce.models.model import Model
from sottovoce.models.network import NetworkOnDemand
from sottovoce.models.registry import find
from sottovoce.options import Limits, PredictOptions, TimelineOptions
from sottovoce.results import Prediction, Segment, TimelineResult
from sottovoce.serve.batching import SharedModel
from sottovoce.serve.errors import ServiceError, stopping, too_busy
from sottovoce.serve.fair_queue import FairQueue
from sottovoce.serve.metrics import Metrics
from sottovoce.serve.settings import Settings
from sottovoce.serve.store import Row, Store, result_rows
from sottovoce.system import available_cpus

T = TypeVar("T")

STORE_TIMEOUT = 10.0
"""s that a response waits for the store."""
FAILING_TIMEOUT = 0.02
"""s that it waits after a write that failed, until one succeeds."""

PROBE_TIMEOUT = 1.0
"""s that `/readyz` waits for the store, and that it believes what it found."""

logger = logging.getLogger("sottovoce.serve")

LONG = 1.0
"""s after which the work for a request makes room for other callers'."""
LONGEST_REST = 0.25
"""s"""

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
        self.models, self.files = _open_models(settings)
        """By name: the models, and where each lies."""
        self.profile = _open_profile(settings, next(iter(self.models.values())))
        """What recordings are judged with where a request brings no profile."""
        self.store = None if settings.store is None else Store(settings.store)
        self.probe = None if self.store is None else StoreProbe(self.store)
        self.stopping = asyncio.Event()
        """Set when streams are to finish."""
        self.cancelled = threading.Event()
        """Set when nobody waits for results any more."""
        threads = THREADS_PER_CPU * available_cpus()
        self.predict_pool = ThreadPoolExecutor(threads, thread_name_prefix="sottovoce-predict")
        self.timeline_pool = ThreadPoolExecutor(threads, thread_name_prefix="sottovoce-timeline")
        self.stream_pool = ThreadPoolExecutor(threads, thread_name_prefix="sottovoce-stream")
        busy = available_cpus() + 1  # a caller's jobs: where as many compute, the next is at hand
        self._queues = {
            pool: FairQueue(threads, busy) for pool in (self.predict_pool, self.timeline_pool)
        }
        for model in self.models.values():
            model.batcher.observe = self.metrics.batch_clips.observe
        self.metrics.requests_in_progress.set_function(lambda: self.admission.requests)
        self.metrics.streams.set_function(lambda: self.admission.streams)
        self.metrics.held_bytes.set_function(lambda: self.admission.held)
        self.metrics.queue_clips.set_function(
            lambda: sum(model.batcher.waiting for model in self.models.values())
        )

    def together(self, names: Sequence[str] | None) -> Model:
        """The model of that name, the first one where none is given, or those that are, as one.

        Raises:
            ServiceError: 404, one is not served here; 422, they do not go together.
        """
        if not names:
            return self.model(None)
        members = [self.model(name) for name in names[: len(self.models) + 1]]
        try:
            return members[0] if len(members) == 1 else Ensemble(members)
        except SottovoceError as error:
            raise ServiceError(422, "no_ensemble", str(error)) from None

    def counted_as(self, model: Model) -> str:
        """What its answers are counted under: there are too many ensembles to count each."""
        return "ensemble" if isinstance(model, Ensemble) else model.card.title

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

    async def run_in_turn(
        self, pool: ThreadPoolExecutor, caller: str, function: Callable[..., T], *arguments: object
    ) -> T:
        """Call a function in one of the pools when it is the caller's turn."""
        async with self._queues[pool].place(caller):
            return await self.run(pool, function, *arguments)

    def work_limit(self, duration: float) -> WorkLimit:
        """The limit of all the work for a request, of whose recordings each may last so long, s."""
        return WorkLimit(duration, self.limits, self.cancelled, self._others_are_served)

    def _others_are_served(self) -> bool:
        return sum(queue.callers for queue in self._queues.values()) > 1

    def profile_for(self, model: Model, given: str | Profile | None) -> Profile | None:
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

    def make_profile(
        self, model: SharedModel, contents: Sequence[bytes], kind: Kind, limit: WorkLimit
    ) -> Profile:
        """The profile of some recordings, of which nothing is kept; to be called in a thread.

        Raises:
            ServiceError: 413 or 422, one is too long, or none can be used.
        """
        rate = model.card.sample_rate
        try:
            audio = [Audio.read(each, sample_rate=rate, watch=limit.check) for each in contents]
            return model.profile(audio, kind)
        except (SottovoceError, MemoryError) as error:
            raise unreadable(error) from None

    def predict(
        self,
        model: Model,
        content: bytes,
        options: PredictOptions,
        profile: Profile | None,
        limit: WorkLimit,
    ) -> list[Prediction]:
        """The emotion in one recording, or in each of its channels; to be called in a thread.

        Raises:
            ServiceError: 413 or 422, it is too long or cannot be judged.
        """
        try:
            limit.check(0)
            return model.predict_channels(
                content, profile=profile, watch=limit.check, **dict(options)
            )
        except (SottovoceError, MemoryError) as error:
            raise unreadable(error) from None

    def timeline(
        self,
        model: Model,
        content: bytes,
        options: TimelineOptions,
        profile: Profile | None,
        limit: WorkLimit,
        on_segment: Callable[[Segment], None] = lambda segment: None,
    ) -> TimelineResult:
        """Emotion over time in one recording; to be called in a thread.

        Args:
            model: that judges.
            content: of the file.
            options: of the timeline.
            profile: of the voice or the place.
            limit: of the work.
            on_segment: called with each segment, as it comes.

        Raises:
            ServiceError: as for `predict`.
        """
        segments = []
        try:
            limit.check(0)
            timeline = model.timeline(
                content,
                profile=profile,
                workers=THREADS_PER_CPU,
                watch=limit.check,
                **dict(options),
            )
            with timeline:
                for segment in timeline:
                    limit.check(segment.end)
                    limit.count_segment()
                    segments.append(segment)
                    on_segment(segment)
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
        store, count = self.store, len(results)
        rows: list[Row] = []
        recordings: list[Row] = []
        future: Future[bool] | None = None
        written = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAILING_TIMEOUT if store.failing else STORE_TIMEOUT):
                rows = await asyncio.to_thread(result_rows, kind, request, caller, model, results)
                recordings = [
                    {"request": request, "number": number, "content": content}
                    for number, content in enumerate(
                        contents if self.settings.store_audio else (), 1
                    )
                ]
                future = store.add(rows, recordings)
                written = await asyncio.wrap_future(future)
        if not written:
            store.failing = True
            self.metrics.unstored.inc(count)
        if future is not None and future.cancel():  # what is still in the queue takes no memory
            rows.clear()
            recordings.clear()

    async def readiness(self) -> str:
        """Why it takes no requests, in a word; "ok" if it does."""
        if self.admission.stopping:
            return "stopping"
        if self.probe is not None and not await self.probe.is_usable():
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


class StoreProbe:
    """Asks whether the store can be used, once for all who ask at the time, in a thread of its own.

    A database that hangs holds up that thread alone. Used from the event loop.

    Args:
        store: that is asked.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: Future[bool] = Future()
        self._found.set_result(True)
        self._asked, self._was_failing = -math.inf, False

    async def is_usable(self) -> bool:
        """Whether it can be used; not, where it does not answer in time."""
        is_old = time.monotonic() - self._asked > PROBE_TIMEOUT
        if self._found.done() and (is_old or self._store.failing != self._was_failing):
            self._asked, self._was_failing = time.monotonic(), self._store.failing
            self._found = Future()
            arguments = (self._found, self._store)
            threading.Thread(target=_probe, args=arguments, daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await asyncio.shield(asyncio.wrap_future(self._found))
        return False


def _probe(found: Future[bool], store: Store) -> None:
    try:
        found.set_result(store.is_usable())
    except Exception:  # of whatever kind: those who wait must go on
        logger.exception("the store could not be asked")
        found.set_result(False)


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
        self.strangers: Counter[str] = Counter()
        """Address -> streams that have no key yet."""
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

    @contextlib.contextmanager
    def stranger(self, address: str) -> Iterator[None]:
        """Take in a stream that is yet to show its key; it takes no place of those that have.

        Raises:
            ServiceError: as for `request`.
        """
        if self.stopping:
            raise stopping()
        limits = self.limits
        if self.strangers[address] >= limits.strangers or self.strangers.total() >= limits.streams:
            raise too_busy("many streams without a key are open; send it in a header")
        self.strangers[address] += 1
        try:
            yield
        finally:
            self.strangers[address] -= 1
            if not self.strangers[address]:
                del self.strangers[address]


class WorkLimit:
    """Ends the work for a request that is too long, takes too long, or that nobody waits for.

    Args:
        duration: s of audio that each of its recordings may have.
        limits: how long all of it may take, and how many segments there may be.
        cancelled: ends it too, when set: the service stops.
        others: whether other callers are served at the time, to whom long work makes room.
    """

    def __init__(
        self,
        duration: float,
        limits: Limits,
        cancelled: threading.Event,
        others: Callable[[], bool] = lambda: False,
    ) -> None:
        self._duration, self._limits = duration, limits
        self._cancelled, self._left = cancelled, threading.Event()
        self._others, self._thread = others, threading.local()
        self._deadline = math.inf
        self._segments = self._samples = 0

    def give_up(self) -> None:
        """End the work: its sender has left."""
        self._left.set()

    def check_wanted(self) -> None:
        """Look whether anybody waits for the results.

        Raises:
            ServiceError: 400 where the sender has left, or 503 where the service stops.
        """
        if self._cancelled.is_set():
            raise stopping()
        if self._left.is_set():
            raise ServiceError(400, "cut_short", "the connection ended before the answer")

    def check(self, seconds: float, samples: int = 0) -> None:
        """Look at the clock, which runs from the first look, after so many seconds of a recording.

        Args:
            seconds: of the recording so far.
            samples: of all its channels since the last look.

        Raises:
            ServiceError: 413, or as for `check_wanted`.
        """
        self.check_wanted()
        if seconds > self._duration:
            message = f"the recording is longer than {self._duration:g} s"
            raise ServiceError(413, "too_long", message)
        self._samples += samples
        if self._samples > self._limits.samples:
            message = f"it has more than {self._limits.samples} samples; send parts of it"
            raise ServiceError(413, "too_much_work", message)
        now = time.monotonic()
        self._deadline = min(self._deadline, now + self._limits.work)
        self._make_room(now - self._deadline + self._limits.work)
        if now > self._deadline:
            message = f"it takes longer than {self._limits.work:g} s to judge; send parts of it"
            raise ServiceError(413, "too_much_work", message)

    def _make_room(self, taken: float) -> None:
        """Rest as long as this thread has worked, where the work is long and others are served."""
        worked = time.thread_time()
        since = worked - getattr(self._thread, "worked", worked)
        self._thread.worked = worked
        if taken > LONG and self._others():
            time.sleep(min(since, LONGEST_REST))

    def count_segment(self) -> None:
        """Count a segment, of whatever channel.

        Raises:
            ServiceError: 413, there are too many.
        """
        self._segments += 1
        if self._segments > self._limits.segments:
            message = (
                f"it has more than {self._limits.segments} segments; send parts of it, or take a "
                "longer hop"
            )
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


def _open_models(settings: Settings) -> tuple[Mapping[str, SharedModel], Mapping[str, Path]]:
    models: dict[str, SharedModel] = {}
    files: dict[str, Path] = {}
    for name in settings.models:
        path = find(name)
        model = SharedModel.open(path)
        model.warm_up()
        if model.card.name in models:
            raise SottovoceError(f"two models are called {model.card.name}; serve one of them")
        models[model.card.name], files[model.card.name] = model, path
    for name in settings.on_demand:
        path = find(name)
        try:
            network = NetworkOnDemand(path)
        except ModelError as error:
            logger.warning("left out: %s", error)
            continue
        if network.card.name not in models:
            models[network.card.name], files[network.card.name] = SharedModel(network), path
    return models, files
