"""Results as they come: a JSON message a line (NDJSON), as streams send them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from sottovoce.results import Result, Segment, StreamFinished, StreamReady, TimelineResult
from sottovoce.serve.errors import ServiceError

LINES = "application/x-ndjson"


async def in_lines(
    ready: StreamReady, work: Callable[[Callable[[Segment], None]], Awaitable[TimelineResult]]
) -> AsyncIterator[Result]:
    """The messages of a timeline, once its first segment is there.

    Args:
        ready: the first message.
        work: works it out; called with what takes each segment, from any thread.

    Raises:
        ServiceError: there is no first segment: the recording is refused.
    """
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[Segment | None] = asyncio.Queue()

    def take(segment: Segment | None) -> None:
        loop.call_soon_threadsafe(waiting.put_nowait, segment)

    async def run() -> TimelineResult:
        try:
            return await work(take)
        finally:
            take(None)

    task = asyncio.create_task(run())
    try:
        first = await waiting.get()
    except asyncio.CancelledError:
        task.cancel()
        raise
    if first is None:
        await task  # which raises, unless there is no segment at all

    async def messages() -> AsyncIterator[Result]:
        segment = first
        yield ready
        while segment is not None:
            yield segment
            segment = await waiting.get()
        try:
            yield StreamFinished(summary=(await task).summary)
        except ServiceError as error:
            yield error.problem

    return messages()


class LinesResponse(StreamingResponse):
    """Messages a line each.

    Args:
        messages: to send.
        stack: closed when all is sent, or the sender has left.
    """

    media_type = LINES

    def __init__(self, messages: AsyncIterator[Result], stack: AsyncExitStack) -> None:
        self._stack = stack
        super().__init__(json.dumps(message.to_message()) + "\n" async for message in messages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        async with self._stack:
            await super().__call__(scope, receive, send)
