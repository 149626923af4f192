"""`/v1/stream`: emotion while it is being spoken, over a WebSocket. See docs/stream-protocol.md."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from sottovoce.errors import SottovoceError
from sottovoce.inference.stream import Stream
from sottovoce.results import Result, Segment, StreamFinished, StreamReady
from sottovoce.serve.auth import (
    check_host,
    check_origin,
    is_valid_key,
    keys_in_headers,
    unauthorised,
    valid_key,
)
from sottovoce.serve.errors import ServiceError, internal_error, service_error, stopping
from sottovoce.serve.samples import SampleReader
from sottovoce.serve.service import Service
from sottovoce.serve.stream_messages import SpeechTracker, StreamConfig, is_finish

ENDPOINT = "/v1/stream"

DONE, POLICY, INTERNAL, RESTART, FULL = 1000, 1008, 1011, 1012, 1013
UNAUTHORISED, IDLE = 4401, 4408
"""Codes that a stream is closed with."""

COUNTED = frozenset(
    {DONE, 1001, 1005, 1006, 1007, POLICY, 1009, INTERNAL, RESTART, FULL, UNAUTHORISED, IDLE}
    | {401, 403, 429, 503}  # refused with
)
"""What streams are counted under; clients may close with any other code."""

PIECE = 10
"""s of a frame that are fed at a time: it bounds the memory, whatever the frame's rate."""

MAX_REASON = 123
"""Bytes of the reason that a WebSocket is closed with."""

MISTAKES = 5
"""Messages before one that opens the stream; with more it is closed."""

CONFIG_SIZE = 8_000
"""Bytes of a config that comes before the key is known."""
KNOWN_CONFIG_SIZE = 64_000
"""Bytes of any other, which may have a profile."""

logger = logging.getLogger("sottovoce.serve")
router = APIRouter()


@router.websocket(ENDPOINT)
async def stream(socket: WebSocket) -> None:
    """Emotion while it is being spoken."""
    await StreamSession(socket, socket.app.state.service).serve()


@dataclass
class Track:
    """What is heard on its own: all channels of a stream's frames, or one track of a call."""

    stream: Stream
    reader: SampleReader
    channel: int | None = None
    """What its segments are said to be of, where there are several."""


class StreamSession:
    """One stream.

    Args:
        socket: not accepted yet.
        service: with the models.
    """

    endpoint = ENDPOINT
    """What it is counted under."""

    def __init__(self, socket: WebSocket, service: Service) -> None:
        self._socket = socket
        self._service = service
        self._id = uuid.uuid4().hex
        self._tracker = SpeechTracker()
        self._places = contextlib.ExitStack()
        self._tracks: list[Track] = []
        self._caller: str | None = None
        self.code = DONE
        """What it was closed with."""

    async def serve(self) -> None:
        """Take the stream in, or refuse it with the status and body that a request would get."""
        start = time.perf_counter()
        try:
            with self._places:
                self._check_client()
                if self._is_known:
                    self._take_place()
                else:
                    self._places.enter_context(self._service.admission.stranger(self._address))
                await self._socket.accept()
                await self._run()
        except ServiceError as error:
            self.code = error.status_code
            with contextlib.suppress(WebSocketDisconnect):  # it has left
                await self._socket.send_denial_response(error.response())
        except WebSocketDisconnect as disconnect:
            self.code = disconnect.code
        finally:
            seconds = time.perf_counter() - start
            label = str(self.code) if self.code in COUNTED else "other"
            self._service.metrics.requests.labels(self.endpoint, label).inc()
            logger.info("WS %s %d %.1f s", self.endpoint, self.code, seconds)

    def _check_client(self) -> None:
        """Look at where it comes from, and at its key if the headers have one.

        Raises:
            ServiceError: 401 or 403.
        """
        settings = self._service.settings
        check_host(self._socket, settings)
        check_origin(self._socket, settings.cors)
        has_key = valid_key(self._socket, settings.keys) is not None
        self._is_known = not settings.keys or has_key
        if not self._is_known and keys_in_headers(self._socket):
            raise unauthorised()

    @property
    def _address(self) -> str:
        return self._socket.client.host if self._socket.client else ""

    def _take_place(self) -> None:
        """Take one of the places for those who may stream.

        Raises:
            ServiceError: 429 or 503, there is none.
        """
        self._places.close()
        self._places.enter_context(self._service.admission.stream())

    def _let_in(self, key: str | None) -> None:
        """Take the stream in, if its config has a key that is valid, or its headers had.

        Raises:
            ServiceError: it has none, or there is no place.
        """
        if self._is_known:
            return
        if not is_valid_key(key, self._service.settings.keys):
            self.code = UNAUTHORISED
            raise unauthorised()
        self._is_known = True
        try:
            self._take_place()
        except ServiceError:
            self.code = FULL
            raise

    async def _run(self) -> None:
        """Serve the stream until the client finishes, is idle or leaves, or the service stops."""
        self._stop = asyncio.create_task(self._service.stopping.wait())
        reason = None
        try:
            await self._configure()
            await self._follow()
        except WebSocketDisconnect:
            raise
        except (ServiceError, SottovoceError) as error:
            problem = service_error(error).problem
            await self._send(problem)
            reason = problem.message.encode("ascii", "replace")[:MAX_REASON].decode()
        except Exception:
            self.code = INTERNAL
            logger.exception("a stream failed")
            await self._send(internal_error().problem)
        finally:
            self._stop.cancel()
        await self._socket.close(self.code, reason)

    async def _configure(self) -> None:
        """Wait for a config that can be used; any other message is answered with an error."""
        begun, limits = time.monotonic(), self._service.limits
        for mistakes in range(1, MISTAKES + 1):
            limit = limits.idle if self._is_known else limits.key_wait
            message = await self._receive(begun + limit - time.monotonic(), limit)
            if message is None:
                raise stopping()
            try:
                if await self._open_with(message.get("text")):
                    return
            except (ServiceError, SottovoceError) as error:
                if self.code == DONE and mistakes == MISTAKES:
                    self.code = POLICY
                if self.code != DONE:
                    raise
                await self._send(service_error(error).problem)
        self.code = POLICY
        raise ServiceError(422, "no_config", f"no config came in {MISTAKES} messages")

    async def _open_with(self, text: str | None) -> bool:
        """Open the stream, if the message is the one for that.

        Raises:
            ServiceError: it is no config, one that cannot be used, or its key is not valid.
            SottovoceError: an option is out of its range.
        """
        if text is None:
            raise ServiceError(422, "no_config", "expected a config as JSON text first")
        self._check_size(text)
        run, pool = self._service.run, self._service.stream_pool
        config = await run(pool, StreamConfig.from_text, text)
        self._let_in(config.key)
        await run(pool, self._open, config, (None,))
        card = self._model.card
        await self._send(StreamReady(id=self._id, model=card.title, labels=card.labels))
        return True

    def _check_size(self, text: str) -> None:
        """Refuse a long message before it is parsed.

        Raises:
            ServiceError: it is too long.
        """
        most = KNOWN_CONFIG_SIZE if self._is_known else CONFIG_SIZE
        if len(text) > most:
            message = f"{len(text)} characters; expected a message of {most} at most"
            if not self._is_known:
                message += " while the key is not known; send it in a header"
            raise ServiceError(422, "bad_config", message)

    def _open(self, config: StreamConfig, channels: Sequence[int | None]) -> None:
        """Open a track for each of the channels.

        Raises:
            ServiceError: there is no such model, or the profile is none.
            SottovoceError: an option is out of its range.
        """
        options = config.options
        self._caller = config.caller
        self._model = self._service.together(config.models)
        own = options.same_voice and config.profile is None
        profile = None if own else self._service.profile_for(self._model, config.profile)
        self._rate = config.sample_rate
        self._tracks = [
            Track(
                self._model.stream(config.sample_rate, profile=profile, **dict(options)),
                SampleReader(config.encoding, config.channels, config.sample_rate),
                channel,
            )
            for channel in channels
        ]

    async def _follow(self) -> None:
        """Feed frame after frame until the end."""
        idle: ServiceError | None = None
        limit = self._service.limits.idle
        while True:
            try:
                message = await self._receive(limit, limit)
            except ServiceError as error:
                idle = error
                break
            if message is None:
                break
            try:
                if await self._take(message):
                    break
            except ServiceError as error:
                await self._send(error.problem)
        await self._finish()
        if idle is not None:
            raise idle

    async def _take(self, message: Message) -> bool:
        """Feed a message; whether it is the last one.

        Raises:
            ServiceError: it is left out.
        """
        if is_finish(message.get("text")):
            return True
        frame = message.get("bytes")
        if frame is None:
            raise ServiceError(422, "bad_message", 'expected binary frames, or {"type": "finish"}')
        await self._feed(self._tracks[0], frame)
        return False

    async def _feed(self, track: Track, frame: bytes) -> None:
        """Feed the next bytes of a track, and send what became final with them.

        Raises:
            ServiceError: they are left out.
        """
        run, pool = self._service.run, self._service.stream_pool
        try:
            samples = (await run(pool, track.reader.read, frame)).samples
        finally:
            for problem in track.reader.problems():
                await self._send(problem)
        step = PIECE * self._rate
        for start in range(0, samples.shape[1], step):
            piece = samples[:, start : start + step]
            await self._send_segments(track, await run(pool, track.stream.feed, piece))

    async def _finish(self) -> None:
        """Send what waited for more."""
        service = self._service
        for track in self._tracks:
            for problem in track.reader.last_problems():
                await self._send(problem)
            last = await service.run(service.stream_pool, track.stream.finish)
            await self._send_segments(track, last)
        for ended in self._tracker.last_messages():
            await self._send(ended)
        for track in self._tracks:
            await self._send(StreamFinished(summary=track.stream.summary()))

    async def _receive(self, timeout: float, limit: float) -> Message | None:
        """The next message; None when the service is to stop.

        Args:
            timeout: s to wait for it.
            limit: s, what the client is told that it was.

        Raises:
            ServiceError: there was none.
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
        what = "nothing was heard" if self._is_known else "no key came"
        raise ServiceError(408, "idle", f"{what} for {limit:g} s; the stream is ended")

    async def _send(self, message: Result) -> None:
        await self._socket.send_json(message.to_message())

    async def _send_segments(self, track: Track, segments: Sequence[Segment]) -> None:
        """Count and store segments, and send them."""
        if not segments:
            return
        if track.channel is not None:
            channel = {"channel": track.channel}
            segments = [segment.model_copy(update=channel) for segment in segments]
        title, counted = self._model.card.title, self._service.counted_as(self._model)
        duration = sum(segment.duration for segment in segments)
        self._service.metrics.count_results(self.endpoint, counted, segments, duration)
        await self._service.store_results("stream", self._id, self._caller, title, segments)
        for segment in segments:
            for message in self._tracker.messages(segment):
                await self._send(message)
