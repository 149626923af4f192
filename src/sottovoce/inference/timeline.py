"""Emotion over time in a recording of any length: `Timeline`."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self, Unpack

from numpy.typing import NDArray

from sottovoce.audio import Audio, Source
from sottovoce.audio.decode import decode
from sottovoce.audio.libsndfile import BLOCK
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.inference.framing import Window
from sottovoce.inference.pipeline import Following
from sottovoce.inference.predictor import source_path
from sottovoce.inference.segments import Segment, Summary
from sottovoce.inference.smoothing import Judged
from sottovoce.plan import Options, Plan
from sottovoce.processors import processors
from sottovoce.text import describe

if TYPE_CHECKING:
    from sottovoce.models.model import Model

AHEAD = 8
"""Windows for each thread that may wait to be judged; it bounds the memory."""


class Timeline(Iterator[Segment]):
    """The segments of a recording, given while it is read, in memory that does not grow.

        for segment in model.timeline("call.mp3"):
            print(f"{segment.start:.0f} s: {segment.emotion or segment.status}")

    It can be gone through once. It is a `Stream` fed with the file's blocks, with the network
    running in threads meanwhile.

    Args:
        model: what judges.
        source: as for `Model.predict`; opened at once.
        workers: threads for the network; if None, one a processor, at most 4.
        options: as for `Stream`.

    Raises:
        AudioError: the source cannot be opened or decoded, then or while it is read.
        SottovoceError: an option is out of its range.
    """

    def __init__(
        self,
        model: Model,
        source: Source,
        *,
        workers: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        workers = min(4, processors()) if workers is None else workers
        if workers < 1:
            raise SottovoceError(f"workers is {workers}; expected 1 or more")
        self.source = source_path(source)
        """The path of the recording, None where it has none."""
        self._name = describe(source)
        self._workers = workers
        with ExitStack() as stack:
            rate, self._blocks = _opened(source, stack)
            self._following = Following(model, rate, Plan(**options))
            self._open = stack.pop_all()
        self._segments = self._run()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Segment:
        return next(self._segments)

    def summary(self, channel: int | None = None) -> Summary:
        """What was said so far: of one channel, or of all together.

        Raises:
            SottovoceError: there is no such channel.
        """
        return self._following.tally.summary(channel)

    def close(self) -> None:
        """Stop, and let go of the recording; done by itself at its end."""
        self._segments.close()
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> Generator[Segment, None, None]:
        """The steps of the stream, the network a little ahead in threads."""
        following = self._following
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="sottovoce")
        waiting: deque[tuple[int, Future[Judged]]] = deque()
        try:
            for channel, window in self._windows():
                waiting.append((channel, pool.submit(following.judge, window)))
                while len(waiting) > AHEAD * self._workers or (waiting and waiting[0][1].done()):
                    first, future = waiting.popleft()
                    yield from following.settle(first, future.result())
            for channel, future in waiting:
                yield from following.settle(channel, future.result())
            yield from following.last_settled()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._open.close()

    def _windows(self) -> Iterator[tuple[int, Window]]:
        for block in self._blocks:
            try:
                yield from self._following.windows(block.T)
            except AudioError as error:
                raise AudioError(f"{self._name}: {error}") from None
        yield from self._following.last_windows()


def _opened(source: Source, stack: ExitStack) -> tuple[int, Iterator[NDArray[Any]]]:
    """Sample rate, and blocks of (frames, channels)."""
    if not isinstance(source, (tuple, Audio)):
        return decode(source, stack)
    audio = Audio.read(source, mono=False)
    starts = range(0, audio.samples.shape[1], BLOCK)
    return audio.sample_rate, (audio.samples[:, i : i + BLOCK].T for i in starts)
