"""`/v1/stream`: emotion while it is being spoken, over a WebSocket. See docs/stream-protocol.md."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Sequence

from fastapi import APIRouter
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from sottovoce.errors import SottovoceError
from sottovoce.results import Result, Segment, StreamFinished, StreamReady
from sottovoce.serve.auth import check_origin, is_valid_key, key_in_headers, unauthorised
from sottovoce.serve.errors import ServiceError, internal_error, service_error, stopping
from sottovoce.serve.service import Service
from sottovoce.serve.stream_messages import SpeechTracker, StreamConfig, is_finish

ENDPOINT = "/v1/stream"

DONE, INTERNAL, RESTART, UNAUTHORISED, IDLE = 1000, 1011, 1012, 4401, 4408
"""Codes that a stream is closed with."""

COUNTED = frozenset(
    {DONE, 1001, 1005, 1006, 1007, 1009, INTERNAL, RESTART, UNAUTHORISED, IDLE}  # closed with
    | {401, 403, 429, 503}  # refused with
)
"""What streams are counted under; clients may close with any other code."""

PIECE = 10
"""s of a frame that are fed at a time: it bounds the memory, whatever the frame's rate."""

logger = logging.getLogger("sottovoce.serve")
router = APIRouter()


@router.websocket(ENDPOINT)
async def stream(socket: WebSocket) -> None:
    """Take a stream in, or refuse it with the status and body that a request would get."""
    service: Service = socket.app.state.service
    start, session = time.perf_counter(), StreamSession(socket, service)
    try:
        session.check_client()
        with service.admission.stream():
            await socket.accept()
            await session.run()
    except ServiceError as error:
        session.code = error.status_code
        await socket.send_denial_response(error.response())
        await _wait_for_disconnect(socket)
    except WebSocketDisconnect as disconnect:
        session.code = disconnect.code
    finally:
        seconds = time.perf_counter() - start
        label = str(session.code) if session.code in COUNTED else "other"
        service.metrics.requests.labels(ENDPOINT, label).inc()
        logger.info("WS %s %d %.1f s", ENDPOINT, session.code, seconds)


async def _wait_for_disconnect(socket: WebSocket) -> None:
    """Wait until the client has gone: uvicorn takes an earlier return for a mistake."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass


class StreamSession:
    """One stream.

    Args:
        socket: not accepted yet.
        service: with the models.
    """

    def __init__(self, socket: WebSocket, service: Service) -> None:
        self._socket = socket
        self._service = service
        self._id = uuid.uuid4().hex
        self._tracker = SpeechTracker()
        self.code = DONE
        """What it was closed with."""

    def check_client(self) -> None:
        """Look at where it comes from, and at its key if the headers have one.

        Raises:
            ServiceError: 401 or 403.
        """
        settings = self._service.settings
        check_origin(self._socket, settings.cors)
        key = key_in_headers(self._socket)
        self._authorised = not settings.keys or is_valid_key(key, settings.keys)
        if key is not None and not self._authorised:
            raise unauthorised()

    async def run(self) -> None:
        """Serve the stream until the client finishes, is idle or leaves, or the service stops."""
        self._stop = asyncio.create_task(self._service.stopping.wait())
        try:
            await self._configure()
            await self._follow()
        except WebSocketDisconnect:
            raise
        except ServiceError as error:
            await self._send(error.problem)
        except Exception:
            self.code = INTERNAL
            logger.exception("a stream failed")
            await self._send(internal_error().problem)
        finally:
            self._stop.cancel()
        await self._socket.close(self.code)

    async def _configure(self) -> None:
        """Wait for a config that can be used; any other message is answered with an error."""
        deadline = time.monotonic() + self._service.limits.idle
        while True:
            message = await self._receive(deadline - time.monotonic())
            if message is None:
                raise stopping()
            try:
                self._open(message.get("text"))
                break
            except (ServiceError, SottovoceError) as error:
                if self.code != DONE:
                    raise
                await self._send(service_error(error).problem)
        card = self._model.card
        await self._send(StreamReady(id=self._id, model=card.title, labels=card.labels))

    def _open(self, text: str | None) -> None:
        """Open the stream that a config describes.

        Raises:
            ServiceError: it is no config, one that cannot be used, or its key is not valid.
            SottovoceError: an option is out of its range.
        """
        if text is None:
            raise ServiceError(422, "no_config", "expected a config as JSON text first")
        config = StreamConfig.from_text(text)
        if not (self._authorised or is_valid_key(config.key, self._service.settings.keys)):
            self.code = UNAUTHORISED
            raise unauthorised()
        self._config = config
        self._model = self._service.model(config.model)
        own = config.options.same_voice and config.profile is None
        profile = None if own else self._service.profile_for(self._model, config.profile)
        self._stream = self._model.stream(
            config.sample_rate, profile=profile, **dict(config.options)
        )

    async def _follow(self) -> None:
        """Feed frame after frame until the end."""
        idle: ServiceError | None = None
        while True:
            try:
                message = await self._receive(self._service.limits.idle)
            except ServiceError as error:
                idle = error
                break
            if message is None or is_finish(message.get("text")):
                break
            try:
                await self._feed(message.get("bytes"))
            except ServiceError as error:
                await self._send(error.problem)
        service = self._service
        await self._send_segments(await service.run(service.stream_pool, self._stream.finish))
        for last in self._tracker.last_messages():
            await self._send(last)
        await self._send(StreamFinished(summary=self._stream.summary()))
        if idle is not None:
            raise idle

    async def _feed(self, frame: bytes | None) -> None:
        """Feed the next frame, and send what became final with it.

        Raises:
            ServiceError: it is left out.
        """
        if frame is None:
            raise ServiceError(422, "bad_message", 'expected binary frames, or {"type": "finish"}')
        run, pool = self._service.run, self._service.stream_pool
        samples = (await run(pool, self._config.audio, frame)).samples
        step = PIECE * self._config.sample_rate
        for start in range(0, samples.shape[1], step):
            piece = samples[:, start : start + step]
            await self._send_segments(await run(pool, self._stream.feed, piece))

    async def _receive(self, timeout: float) -> Message | None:
        """The next message; None when the service is to stop.

        Raises:
            ServiceError: there was none for so long, s.
            WebSocketDisconnect: the client left.
        """
        receive = asyncio.create_task(self._socket.receive())
        await asyncio.wait(
            {receive, self._stop}, timeout=max(0, timeout), return_when=asyncio.FIRST_COMPLETED
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
        raise ServiceError(408, "idle", f"nothing was heard for {limit:g} s; the stream is ended")

    async def _send(self, message: Result) -> None:
        await self._socket.send_json(message.to_message())

    async def _send_segments(self, segments: Sequence[Segment]) -> None:
        """Count and store segments, and send them."""
        if not segments:
            return
        title = self._model.card.title
        duration = sum(segment.duration for segment in segments)
        self._service.metrics.count_results(ENDPOINT, title, segments, duration)
        await self._service.store_results("stream", self._id, self._config.caller, title, segments)
        for segment in segments:
            for message in self._tracker.messages(segment):
                await self._send(message)
