"""Emotion over time in a recording of any length: `Timeline`."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self

from sottovoce.audio import Source, Watch, open_blocks
from sottovoce.audio.convert import Block
from sottovoce.errors import AudioError
from sottovoce.inference.framing import Frame
from sottovoce.inference.predictor import Network, Predictor, source_path
from sottovoce.inference.smoothing import UnsmoothedSegment
from sottovoce.inference.stream import NetworkOfChannel, TimelinePipeline
from sottovoce.options import TimelineOptions
from sottovoce.results import Segment, Summary, Warnings
from sottovoce.system import number_of_workers
from sottovoce.text import describe

AHEAD = 8
"""Frames for each thread that may wait for the network; it bounds the memory."""


class Timeline(Iterator[Segment]):
    """The segments of a recording, given while it is read, in memory that does not grow.

        for segment in model.timeline("call.mp3"):
            print(f"{segment.start:.0f} s: {segment.emotion or segment.status}")

    It can be gone through once. It is a `Stream` fed with the file's blocks, with the network
    running in threads meanwhile. `Model.timeline` makes it, with the same arguments and errors;
    the source is opened at once.
    """

    def __init__(
        self,
        predictor: Predictor,
        network: Network,
        source: Source,
        options: TimelineOptions,
        workers: int | None = None,
        judge: NetworkOfChannel | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._workers = number_of_workers(workers)
        self.source = source_path(source)
        """The path of the recording, None where it has none."""
        self._name = describe(source)
        with ExitStack() as stack:
            self._file = open_blocks(source, stack).watched(watch)
            rate = self._file.sample_rate
            self._pipeline = TimelinePipeline(predictor, network, rate, options, judge)
            self._open = stack.pop_all()
        self._segments = self._run()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Segment:
        return next(self._segments)

    def summary(self, channel: int | None = None) -> Summary:
        """The segments so far in a few figures: of one channel, or of all together.

        Raises:
            SottovoceError: there is no such channel.
        """
        return self._pipeline.summary(channel, self._file.warnings)

    @property
    def warnings(self) -> Warnings:
        """What was not heard of the recording so far, or is odd about its sound."""
        return self._pipeline.warnings(self._file.warnings)

    def close(self) -> None:
        """Stop, and close the recording; done automatically at its end."""
        self._segments.close()
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> Generator[Segment, None, None]:
        try:
            yield from run_pipeline(self._pipeline, self._file.blocks, self._workers, self._name)
        finally:
            self._open.close()


def run_pipeline(
    pipeline: TimelinePipeline, blocks: Iterator[Block], workers: int, name: str
) -> Generator[Segment, None, None]:
    """The segments of a recording: the steps of the pipeline, the network a little ahead.

    Args:
        pipeline: a new one.
        blocks: of (frames, channels).
        workers: threads for the network.
        name: of the recording, for messages.

    Raises:
        AudioError: a block cannot be decoded, or was not scaled.
        SottovoceError: the network cannot be run.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="sottovoce")
    running: deque[tuple[int, Future[UnsmoothedSegment]]] = deque()
    try:
        for channel, frame in _frames(pipeline, blocks, name):
            running.append((channel, pool.submit(pipeline.predict, channel, frame)))
            while len(running) > AHEAD * workers or (running and running[0][1].done()):
                first, future = running.popleft()
                yield from pipeline.smooth(first, future.result())
        for channel, future in running:
            yield from pipeline.smooth(channel, future.result())
        yield from pipeline.last_segments()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _frames(
    pipeline: TimelinePipeline, blocks: Iterator[Block], name: str
) -> Iterator[tuple[int, Frame]]:
    for block in blocks:
        try:
            yield from pipeline.frames(block.T)
        except AudioError as error:
            raise AudioError(f"{name}: {error}") from None
    yield from pipeline.last_frames()
