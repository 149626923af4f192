"""Runs the service with uvicorn until a signal stops it, and then finishes what it has."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sottovoce.serve.service import Service
from sottovoce.system import BACKLOG, listening_socket

PING_TIMEOUT = 60.0
"""s for the answer to a ping, which waits behind the audio that came before it."""
UNREAD_TIMEOUT = 60_000
"""ms after which a connection is dropped whose client does not read what it is sent."""
HALF_CLOSED = 5.0
"""s in which a client is answered that has closed its side of the connection."""
MAX_HEAD_SIZE = 65_536
"""Bytes of the head of a request, and of what is no body between two of them."""
MAX_HEADERS, MAX_HEADER_SIZE = 128, 8192
"""Headers of a WebSocket's handshake, and bytes of one, as the library for it has them."""


class HttpConnection(HttpToolsProtocol):
    """A connection that waits only so long for the head of a request, and takes only so much of it.

    uvicorn's own waits for ever, and takes any number of headers.
    """

    _head_size = 0
    _refusal = ""
    """What is told in place of uvicorn's own line."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._start_timer()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that sends nothing more, but may still read; whether to stay open.

        Nothing tells it from one that has left until it is sent something, so the work for it is
        given up after a while.
        """
        if self._is_idle or self.cycle.more_body:
            return False
        self._stop_timer()
        self._timer = self.loop.call_later(HALF_CLOSED, self.transport.abort)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_timer()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Wait no more: another protocol goes on with the connection, if it takes its head."""
        longest = max(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.headers) > MAX_HEADERS or max(longest, len(self.url) + 16) > MAX_HEADER_SIZE:
            self.send_400_response(
                f"More than {MAX_HEADERS} headers, or one of more than {MAX_HEADER_SIZE} bytes."
            )
            return
        self._stop_timer()
        super().handle_websocket_upgrade()

    def on_headers_complete(self) -> None:
        """Refuse a head that is too long, though all of it has come.

        Raises:
            ValueError: it is; the parser then gives up.
        """
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_SIZE:
            self._refusal = f"More than {MAX_HEAD_SIZE} bytes of headers."
            raise ValueError(self._refusal)
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with a request, and close."""
        super().send_400_response(self._refusal or msg)

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the rest of this one if it was refused early."""
        super().on_response_complete()
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Read on, unless headers, or what else is no body, never end."""
        self._head_size += len(data)
        super().data_received(data)
        if self._head_size > MAX_HEAD_SIZE and not self.transport.is_closing():
            if self._is_idle:
                self.send_400_response(f"More than {MAX_HEAD_SIZE} bytes of headers.")
            else:
                self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """Count anew after each piece."""
        self._head_size = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count anew after each request."""
        self._head_size = 0
        super().on_message_complete()

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start_timer(self) -> None:
        self._stop_timer()
        seconds = self.config.app.state.service.limits.receive  # type: ignore[union-attr]
        self._timer = self.loop.call_later(seconds, self._close_if_idle)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_if_idle(self) -> None:
        if self._is_idle:
            self.transport.close()


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket that, when it was refused, is not taken for one that was forgotten."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send on; a response in place of the handshake completes it."""
        await super().send(message)
        self.handshake_complete |= self.close_sent


class Server(uvicorn.Server):
    """uvicorn's server, which finishes streams before it closes connections.

    Args:
        app: what `create_app` gave.
    """

    def __init__(self, app: FastAPI) -> None:
        self._service: Service = app.state.service
        limits = self._service.limits
        super().__init__(
            uvicorn.Config(
                app,
                http=HttpConnection,
                ws=WebSocketConnection,
                log_config=None,
                access_log=False,
                backlog=BACKLOG,
                server_header=False,
                ws_max_size=limits.frame,
                ws_per_message_deflate=False,
                ws_ping_timeout=PING_TIMEOUT,
            )
        )

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGINT and SIGTERM stop it; unlike in uvicorn itself they are not raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order, or at once where Ctrl-C is pressed again."""
        if self.should_exit and sig == signal.SIGINT:
            os._exit(128 + sig)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, let streams send what they still have, then close."""
        service = self._service
        service.admission.stopping = True
        deadline = time.monotonic() + service.limits.drain
        service.stopping.set()
        for server in self.servers:
            server.close()
        try:
            async with asyncio.timeout(service.limits.drain):
                while service.admission.streams:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass
        self.config.timeout_graceful_shutdown = math.ceil(max(0, deadline - time.monotonic()))
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """As `listening_socket`; its connections do not wait for ever to be read."""
    listener = listening_socket(host, port)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; the connections have it from the listener
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT)
    return listener


def _is_no_client_mistake(record: logging.LogRecord) -> bool:
    """Leave out the traceback of a client's text that is no UTF-8: it is the client's mistake."""
    return not (record.exc_info and record.exc_info[0] is UnicodeDecodeError)


def run(app: FastAPI, listener: socket.socket, started: Callable[[str], None]) -> None:
    """Answer on a socket until SIGINT or SIGTERM.

    Args:
        app: what `create_app` gave.
        listener: what `bind` gave.
        started: called with the service's address.
    """
    logger = logging.getLogger("uvicorn.error")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_is_no_client_mistake)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it quotes what was sent
    host, port = listener.getsockname()[:2]
    started(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    Server(app).run(sockets=[listener])
