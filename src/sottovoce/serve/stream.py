"""`/v1/stream`: emotion while it is being spoken, over a WebSocket. See docs/stream-protocol.md."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Iterable
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from sottovoce.results import Segment
from sottovoce.serve.auth import given_key, is_known, unknown_key
from sottovoce.serve.errors import Refusal, failed_within, stopping
from sottovoce.serve.recordings import check_options
from sottovoce.serve.service import Service
from sottovoce.serve.stream_messages import Config, Talk, error, is_finish

ENDPOINT = "/v1/stream"

DONE, INTERNAL, RESTART, UNAUTHORISED, IDLE = 1000, 1011, 1012, 4401, 4408
"""Codes that a stream is closed with."""

COUNTED = frozenset(
    {DONE, 1001, 1005, 1006, 1007, 1009, INTERNAL, RESTART, UNAUTHORISED, IDLE}  # closed with
    | {401, 403, 429, 503}  # refused with
)
"""What streams are counted under; clients may close with any other code."""

PIECE = 10
"""s of a frame that are heard in one go: it bounds the memory, whatever the frame's rate."""

logger = logging.getLogger("sottovoce.serve")
router = APIRouter()


@router.websocket(ENDPOINT)
async def stream(socket: WebSocket) -> None:
    """Take a stream in, or refuse it with the status and body that a request would get."""
    service: Service = socket.app.state.service
    begun, session = time.perf_counter(), Session(socket, service)
    try:
        session.check()
        with service.admission.stream():
            await socket.accept()
            await session.run()
    except Refusal as refusal:
        answer = JSONResponse(refusal.to_dict(), refusal.status_code, refusal.headers)
        session.code = refusal.status_code
        await socket.send_denial_response(answer)
        await _left(socket)
    except WebSocketDisconnect as left:
        session.code = left.code
    finally:
        seconds = time.perf_counter() - begun
        told = str(session.code) if session.code in COUNTED else "other"
        service.metrics.requests.labels(ENDPOINT, told).inc()
        logger.info("WS %s %d %.1f s", ENDPOINT, session.code, seconds)


async def _left(socket: WebSocket) -> None:
    """Wait until the client has gone: uvicorn takes an earlier return for a mistake."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass


class Session:
    """One stream.

    Args:
        socket: not accepted yet.
        service: what judges.
    """

    def __init__(self, socket: WebSocket, service: Service) -> None:
        self._socket = socket
        self._service = service
        self.code = DONE
        """What it was closed with."""

    def check(self) -> None:
        """Look at where it comes from, and at its key if it has one already.

        A browser lets any page open a WebSocket to anywhere, so the page's origin must be the
        service's own or among those allowed.

        Raises:
            Refusal: 401 or 403.
        """
        settings, origin = self._service.settings, self._socket.headers.get("origin")
        if not (
            origin is None
            or {"*", origin} & set(settings.cors)
            or urlsplit(origin).netloc == self._socket.headers.get("host")
        ):
            raise Refusal(403, "bad_origin", "pages of that origin may not ask; see --cors")
        key = given_key(self._socket)
        self._known = not settings.keys or (key is not None and is_known(key, settings.keys))
        if key is not None and not self._known:
            raise unknown_key()

    async def run(self) -> None:
        """Talk until the client finishes, is idle or leaves, or the service stops."""
        self._stop = asyncio.create_task(self._service.stopping.wait())
        try:
            await self._configured()
            await self._followed()
        except Refusal as refusal:
            await self._socket.send_json(error(refusal))
        except WebSocketDisconnect:
            raise
        except Exception:
            self.code = INTERNAL
            logger.exception("a stream failed")
            await self._socket.send_json(error(failed_within()))
        finally:
            self._stop.cancel()
        await self._socket.close(self.code)

    async def _configured(self) -> None:
        """Wait for a config that can be used; what else comes is answered."""
        until = time.monotonic() + self._service.limits.idle
        while True:
            if (message := await self._next(until - time.monotonic())) is None:
                raise stopping()
            try:
                if (text := message.get("text")) is None:
                    raise Refusal(422, "no_config", "expected a config as JSON text first")
                config = Config.from_text(text)
                if not (self._known or is_known(config.key or "", self._service.settings.keys)):
                    self.code = UNAUTHORISED
                    raise unknown_key()
                self._model = self._service.model(config.model)
                check_options(self._model, config.options)
                break
            except Refusal as refusal:
                if self.code != DONE:
                    raise
                await self._socket.send_json(error(refusal))
        self._config, self._talk, self._id = config, Talk(), uuid.uuid4().hex
        self._stream = self._model.stream(config.sample_rate, **config.options)
        ready = {"type": "ready", "id": self._id, "model": self._model.card.title}
        await self._socket.send_json(ready | {"labels": self._model.labels})

    async def _followed(self) -> None:
        """Hear frame after frame until the end."""
        idle: Refusal | None = None
        while True:
            try:
                message = await self._next(self._service.limits.idle)
            except Refusal as refusal:
                idle = refusal
                break
            if message is None:
                break
            if is_finish(message.get("text")):
                break
            try:
                await self._hear(message.get("bytes"))
            except Refusal as refusal:
                await self._socket.send_json(error(refusal))
        await self._tell(await self._service.run(self._service.live, self._stream.finish))
        for last in self._talk.finished():
            await self._socket.send_json(last)
        summary = self._stream.summary().to_dict()
        await self._socket.send_json({"type": "finished", "summary": summary})
        if idle is not None:
            raise idle

    async def _hear(self, frame: bytes | None) -> None:
        """Hear the next frame, and tell what became final with it.

        Raises:
            Refusal: it is left out.
        """
        if frame is None:
            raise Refusal(422, "bad_message", 'expected binary frames, or {"type": "finish"}')
        run, pool = self._service.run, self._service.live
        samples = (await run(pool, self._config.audio, frame)).samples
        step = PIECE * self._config.sample_rate
        for start in range(0, samples.shape[1], step):
            piece = samples[:, start : start + step]
            await self._tell(await run(pool, self._stream.feed, piece))

    async def _next(self, seconds: float) -> Message | None:
        """The next message; None when the service is to stop.

        Raises:
            Refusal: there was none for so long.
            WebSocketDisconnect: the client left.
        """
        receive = asyncio.create_task(self._socket.receive())
        await asyncio.wait(
            {receive, self._stop}, timeout=max(0, seconds), return_when=asyncio.FIRST_COMPLETED
        )
        if receive.done():
            message = receive.result()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"])
            return message
        receive.cancel()
        if self._stop.done():
            self.code = RESTART
            return None
        self.code = IDLE
        limit = self._service.limits.idle
        raise Refusal(408, "idle", f"nothing was heard for {limit:g} s; the stream is ended")

    async def _tell(self, segments: Iterable[Segment]) -> None:
        found = list(segments)
        if not found:
            return
        title = self._model.card.title
        self._service.metrics.count(
            ENDPOINT,
            title,
            ((one.status, one.emotion) for one in found),
            sum(one.duration for one in found),
        )
        await self._service.keep("stream", self._id, self._config.caller, title, found)
        for segment in found:
            for message in self._talk.told(segment):
                await self._socket.send_json(message)
