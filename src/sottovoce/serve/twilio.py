"""`/v1/stream/twilio`: a telephone call, as Twilio's Media Streams send it.

See docs/stream-protocol.md, and https://www.twilio.com/docs/voice/media-streams/websocket-messages.
"""

from __future__ import annotations

import base64
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from starlette.types import Message
from starlette.websockets import WebSocket

from sottovoce.results import Problem, Result, Segment
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.schemas import PRINTABLE
from sottovoce.serve.stream import MISTAKES, POLICY, StreamSession, Track, logger
from sottovoce.serve.stream_messages import STREAM_OPTIONS, StreamConfig, bad_config

ENDPOINT = "/v1/stream/twilio"

RATE = 8000
"""Hz, of mu-law: as many bytes a second."""

SILENCE = b"\xff"
"""A sample of 0 in mu-law."""

GAP = 0.5
"""s that a track may lag behind its timestamps; what is missing then is taken for silence."""

AHEAD = 5.0
"""s that timestamps may run ahead of the clock; later ones are not believed."""

MESSAGE_SIZE = 64_000
"""Characters of a message; Twilio's have some 400."""

PARAMETERS = frozenset({"key", "model", "caller", "marks", *STREAM_OPTIONS})
"""Names of the <Parameter>s that a <Stream> may have."""

Sid = Annotated[str, Field(max_length=128, pattern=PRINTABLE)]

router = APIRouter()


@router.websocket(ENDPOINT)
async def twilio(socket: WebSocket) -> None:
    """A telephone call."""
    await TwilioSession(socket, socket.app.state.service).serve()


class _Part(BaseModel):
    """Base of what Twilio sends; what else it may send some day is left aside."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, allow_inf_nan=False)


class MediaFormat(_Part):
    """Of the payloads; it is always this one."""

    encoding: Literal["audio/x-mulaw"]
    sample_rate: Literal[8000]
    channels: Literal[1]


class Start(_Part):
    """What stream this is."""

    stream_sid: Sid
    call_sid: Sid
    tracks: tuple[Literal["inbound", "outbound"], ...] = Field(min_length=1, max_length=2)
    media_format: MediaFormat
    custom_parameters: dict[str, str] = Field(default={}, repr=False)


class Media(_Part):
    """A piece of a track."""

    track: Literal["inbound", "outbound"]
    payload: str = Field(repr=False)
    timestamp: float | None = Field(default=None, ge=0)
    """ms from the start of the stream."""


class TwilioMessage(_Part):
    """Any message."""

    event: str
    start: Start | None = None
    media: Media | None = None


class TwilioSession(StreamSession):
    """One call: its `connected` is left aside, its `start` is the config, its `media` the sound.

    Nothing that the protocol does not know may be sent to Twilio, so results go into the store,
    and, with the parameter `marks`, into marks.
    """

    endpoint = ENDPOINT

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._mistakes = 0
        self._with_marks = False
        self._of: dict[str, Track] = {}
        self._heard: dict[str, int] = {}
        """Track -> samples of it so far."""

    async def _open_with(self, text: str | None) -> bool:
        if text is None:
            raise ServiceError(422, "no_config", "expected Twilio's messages, which are texts")
        self._check_size(text)
        run, pool = self._service.run, self._service.stream_pool
        message = await run(pool, read_twilio, text)
        if message.event == "connected":
            return False
        start = message.start
        if message.event != "start" or start is None:
            raise ServiceError(422, "no_config", "expected Twilio's message `start`")
        config, self._with_marks = config_of(start)
        self._let_in(config.key)
        several = len(start.tracks) > 1
        numbers = list(range(1, len(start.tracks) + 1)) if several else [None]
        await run(pool, self._open, config, numbers)
        self._sid = start.stream_sid
        self._of = dict(zip(start.tracks, self._tracks, strict=True))
        self._heard = dict.fromkeys(start.tracks, 0)
        self._begun = time.monotonic()
        return True

    async def _take(self, message: Message) -> bool:
        text = message.get("text")
        try:
            if text is None or len(text) > MESSAGE_SIZE:
                raise ServiceError(422, "bad_message", "expected Twilio's messages")
            found = read_twilio(text)
            if found.event == "media":
                await self._hear(found.media)
        except ServiceError:
            self._mistakes += 1
            if self._mistakes < MISTAKES:
                raise
            self.code = POLICY
            return True
        return found.event == "stop"

    async def _hear(self, media: Media | None) -> None:
        """Feed a piece of a track, after silence in place of pieces that are missing.

        Raises:
            ServiceError: it is left out.
        """
        if media is None or media.track not in self._of:
            raise ServiceError(422, "bad_message", "expected `media` of a track in `start`")
        try:
            payload = base64.b64decode(media.payload, validate=True)
        except ValueError:
            raise ServiceError(422, "bad_frame", "the payload is no base64") from None
        track, due = self._of[media.track], (media.timestamp or 0.0) / 1000
        missing = due - self._heard[media.track] / RATE
        if missing > GAP and due < time.monotonic() - self._begun + AHEAD:
            silence = round(missing * RATE)
            self._heard[media.track] += silence
            await self._feed(track, SILENCE * silence)
        self._heard[media.track] += len(payload)
        await self._feed(track, payload)

    async def _send(self, message: Result) -> None:
        if isinstance(message, Problem):
            logger.warning("WS %s: %s", self.endpoint, message.code)
        elif isinstance(message, Segment) and self._with_marks:
            mark = {"name": message.to_json()}
            await self._socket.send_json({"event": "mark", "streamSid": self._sid, "mark": mark})


def read_twilio(text: str) -> TwilioMessage:
    """A message of Twilio's.

    Raises:
        ServiceError: it is none.
    """
    try:
        return TwilioMessage.model_validate_json(text)
    except ValidationError as error:
        raise bad_config(error) from None


def config_of(start: Start) -> tuple[StreamConfig, bool]:
    """The config of a call's stream, and whether marks are wanted.

    Without a parameter `caller`, the store keeps its segments under the call's SID.

    Raises:
        ServiceError: a parameter is unknown, or out of its range.
    """
    parameters = dict(start.custom_parameters)
    for name in parameters:
        if name not in PARAMETERS:
            known = ", ".join(sorted(PARAMETERS))
            message = f"<Parameter> {name!r:.30} is unknown; expected {known}"
            raise ServiceError(422, "bad_config", message)
    marks = parameters.pop("marks", "false")
    if marks not in ("true", "false"):
        raise ServiceError(422, "bad_config", "<Parameter> marks: expected true or false")
    sound = {"type": "config", "sample_rate": RATE, "encoding": "mulaw"}
    try:
        config = StreamConfig.model_validate(sound | {"caller": start.call_sid} | parameters)
    except ValidationError as error:
        raise bad_config(error) from None
    return config, marks == "true"
