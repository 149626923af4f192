"""The client's side of a service's stream: `LiveStream`, which `sottovoce.client` opens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio
from sottovoce.errors import AudioError, MissingExtraError, SottovoceError
from sottovoce.results import Segment, Status, Summary
from sottovoce.text import one_line

try:
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
    from websockets.sync.client import connect
except ModuleNotFoundError:
    raise MissingExtraError("the client", "websockets", "client") from None

PIECE = 1_000_000
"""Bytes of a message at most; a service refuses much longer ones."""

OF_A_RECORDING = frozenset({"unreadable", "too_long", "too_large", "too_much_work", "bad_frame"})
"""Codes of refusals that are about a recording, not about the request."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""

    start: float
    """s from the start of the stream."""
    channel: int | None


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Nobody speaks any more."""

    end: float
    """s from the start of the stream."""
    channel: int | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was left out, or why the stream ended."""

    code: str
    message: str


Message: TypeAlias = SpeechStarted | Segment | SpeechEnded | Problem | Summary
"""What a service says: a `Segment` is a measurement, the `Summary` comes last."""


class LiveStream:
    """A stream to a service, to be used as a context manager and from one thread.

    Args:
        url: of the service.
        headers: of the handshake.
        config: the first message.
        timeout: s to wait until it is taken.

    Raises:
        SottovoceError: the service cannot be reached, or refuses the stream.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], config: Mapping[str, Any], timeout: float
    ) -> None:
        address = f"ws{url.removeprefix('http')}/v1/stream"
        self._channels, self._rate = int(config["channels"]), int(config["sample_rate"])
        try:
            with ExitStack() as stack:
                self._socket = stack.enter_context(
                    connect(
                        address,
                        additional_headers=dict(headers),
                        compression=None,
                        open_timeout=timeout,
                    )
                )
                self._socket.send(json.dumps(config))
                answer = json.loads(self._socket.recv(timeout))
                if answer["type"] != "ready":
                    raise SottovoceError(f"{url} refuses the stream: {answer.get('message')}")
                self._open = stack.pop_all()
        except InvalidStatus as error:
            response = error.response
            raise refused(url, response.status_code, response.body or b"") from None
        except (OSError, WebSocketException) as error:
            raise SottovoceError(f"{url} opens no stream ({one_line(error)})") from None
        self.model: str = answer["model"]
        """Name and version of the model that judges."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave without waiting for what is not final yet; see `finish`."""
        self._open.close()

    def feed(self, samples: NDArray[Any]) -> list[Message]:
        """Send the next samples; give what was said meanwhile, without waiting.

        Args:
            samples: (samples,) or (channels, samples), as for `Audio`.

        Raises:
            AudioError: the samples are no recording, or the channels are others than was said.
            SottovoceError: the stream has ended.
        """
        audio = Audio(samples, self._rate)
        if audio.channels != self._channels:
            raise AudioError(f"{audio.channels} channels; expected {self._channels}")
        content = np.ascontiguousarray(audio.samples.T, "<f4").tobytes()
        step = PIECE // (4 * self._channels) * 4 * self._channels
        said: list[Message] = []
        try:
            for start in range(0, len(content), step):
                self._socket.send(content[start : start + step])
                said += self._waiting()
        except ConnectionClosed as error:
            said += self._waiting()
            why = "; ".join(one.message for one in said if isinstance(one, Problem))
            raise SottovoceError(f"the stream has ended: {why or one_line(error)}") from None
        return said

    def finish(self) -> Iterator[Message]:
        """Say that nothing more comes; give the rest, the `Summary` last, as it comes.

        Raises:
            SottovoceError: the stream ended before its summary.
        """
        try:
            self._socket.send('{"type": "finish"}')
            while True:
                for message in _message(self._socket.recv()):
                    yield message
                    if isinstance(message, Summary):
                        return
        except ConnectionClosed as error:
            raise SottovoceError(f"the stream has ended: {one_line(error)}") from None
        finally:
            self._open.close()

    def _waiting(self) -> list[Message]:
        """What has come and was not looked at."""
        said: list[Message] = []
        with suppress(TimeoutError, ConnectionClosed):
            while True:
                said += _message(self._socket.recv(timeout=0))
        return said


def refused(url: str, status: int, body: bytes | bytearray) -> SottovoceError:
    """Make the error for an answer that is no success."""
    try:
        problem = json.loads(body)["error"]
        code, said = str(problem["code"]), one_line(problem["message"])
    except (ValueError, KeyError, TypeError):
        code, said = "", f"status {status}"
    kind = AudioError if code in OF_A_RECORDING else SottovoceError
    return kind(f"{url}: {said}")


def segment_of(answer: Mapping[str, Any]) -> Segment:
    """A segment, as it was sent."""
    names = ("start", "end", "emotion", "confidence", "probabilities", "channel")
    return Segment(status=Status(answer["status"]), **{name: answer[name] for name in names})


def summary_of(answer: Mapping[str, Any]) -> Summary:
    """A summary, as it was sent."""
    longest = answer["longest"]
    return Summary(
        duration=answer["duration"],
        shares=answer["shares"],
        statuses={Status(name): share for name, share in answer["statuses"].items()},
        changes=answer["changes"],
        longest=None if longest is None else segment_of(longest),
    )


def _message(text: str | bytes) -> list[Message]:
    """A message of the service, or none where it is of a kind that is not known here."""
    said = json.loads(text)
    match said["type"]:
        case "speech_started":
            return [SpeechStarted(said["start"], said["channel"])]
        case "measurement":
            return [segment_of(said)]
        case "speech_ended":
            return [SpeechEnded(said["end"], said["channel"])]
        case "error":
            return [Problem(said["code"], said["message"])]
        case "finished":
            return [summary_of(said["summary"])]
    return []
