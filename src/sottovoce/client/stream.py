"""The client's side of a service's stream: `LiveStream`, which `Client.stream` opens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any, Self, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio
from sottovoce.errors import AudioError, MissingExtraError, SottovoceError
from sottovoce.results import (
    Problem,
    Segment,
    SpeechEnded,
    SpeechStarted,
    StreamFinished,
    StreamReady,
    Summary,
    read_message,
)
from sottovoce.text import one_line

try:
    from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
    from websockets.sync.client import connect
except ModuleNotFoundError:
    raise MissingExtraError("the client", "websockets", "client") from None

PIECE = 1_000_000
"""Bytes of a message at most; a service refuses much longer ones."""

RECORDING_CODES = frozenset({"unreadable", "too_long", "too_large", "too_much_work", "bad_frame"})
"""Codes of errors that are about a recording, not about the request."""

Message: TypeAlias = SpeechStarted | Segment | SpeechEnded | Problem | Summary
"""What a stream gives: a `Segment` is a measurement, the `Summary` comes last."""


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
                ready = read_message(json.loads(self._socket.recv(timeout)))
                if not isinstance(ready, StreamReady):
                    reason = ready.message if isinstance(ready, Problem) else "no reason given"
                    raise SottovoceError(f"{url} refuses the stream: {reason}")
                self._open = stack.pop_all()
        except InvalidStatus as error:
            response = error.response
            raise error_of(url, response.status_code, response.body or b"") from None
        except (OSError, WebSocketException) as error:
            raise SottovoceError(f"{url} opens no stream ({one_line(error)})") from None
        self.model = ready.model
        """Name and version of the model."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave without waiting for what is not final yet; see `finish`."""
        self._open.close()

    def feed(self, samples: NDArray[Any]) -> list[Message]:
        """Send the next samples; give the messages that came meanwhile, without waiting.

        Args:
            samples: (samples,) or (channels, samples), as for `Audio`.

        Raises:
            AudioError: the samples are no recording, or not of the stream's number of channels.
            SottovoceError: the stream has ended.
        """
        audio = Audio(samples, self._rate)
        if audio.channels != self._channels:
            raise AudioError(f"{audio.channels} channels; expected {self._channels}")
        content = np.ascontiguousarray(audio.samples.T, "<f4").tobytes()
        step = PIECE // (4 * self._channels) * 4 * self._channels
        messages: list[Message] = []
        try:
            for start in range(0, len(content), step):
                self._socket.send(content[start : start + step])
                messages += self._received()
        except ConnectionClosed as error:
            messages += self._received()
            problems = [message for message in messages if isinstance(message, Problem)]
            reason = "; ".join(problem.message for problem in problems) or one_line(error)
            raise SottovoceError(f"the stream has ended: {reason}") from None
        return messages

    def finish(self) -> Iterator[Message]:
        """Say that nothing more comes; give the rest, the `Summary` last, as it comes.

        Raises:
            SottovoceError: the stream ended before its summary.
        """
        try:
            self._socket.send('{"type": "finish"}')
            while True:
                for message in _messages(self._socket.recv()):
                    yield message
                    if isinstance(message, Summary):
                        return
        except ConnectionClosed as error:
            raise SottovoceError(f"the stream has ended: {one_line(error)}") from None
        finally:
            self._open.close()

    def _received(self) -> list[Message]:
        """The messages that have come and were not read."""
        messages: list[Message] = []
        with suppress(TimeoutError, ConnectionClosed):
            while True:
                messages += _messages(self._socket.recv(timeout=0))
        return messages


def error_of(url: str, status: int, body: bytes | bytearray) -> SottovoceError:
    """Make the error for a response that is no success."""
    try:
        problem = Problem.from_dict(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        problem = Problem(code="", message=f"status {status}")
    kind = AudioError if problem.code in RECORDING_CODES else SottovoceError
    return kind(f"{url}: {one_line(problem.message)}")


def _messages(text: str | bytes) -> list[Message]:
    """A message of the service, or none where it is of a kind that is not known here."""
    message = read_message(json.loads(text))
    if isinstance(message, StreamFinished):
        return [message.summary]
    return [] if message is None else [cast(Message, message)]
