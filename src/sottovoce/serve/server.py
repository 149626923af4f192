"""Runs the service with uvicorn until it is told to stop, and then finishes what it has."""

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

from sottovoce.serve.connection import Connection
from sottovoce.serve.service import Service
from sottovoce.system import BACKLOG, listening_socket

PATIENCE = 60.0
"""s for the answer to a ping, which waits behind the audio that came before it."""
UNREAD = 60_000
"""ms after which a connection is dropped whose client does not read what it is sent."""


class Server(uvicorn.Server):
    """uvicorn's server, which ends streams in order before it closes connections.

    Args:
        app: what `create_app` gave.
    """

    def __init__(self, app: FastAPI) -> None:
        self._service: Service = app.state.service
        limits = self._service.limits
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                log_config=None,
                access_log=False,
                backlog=BACKLOG,
                server_header=False,
                ws_max_size=limits.frame,
                ws_per_message_deflate=False,
                ws_ping_timeout=PATIENCE,
            )
        )

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGINT and SIGTERM ask it to stop; unlike uvicorn's own they are not raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order; whoever presses Ctrl-C once more has had enough."""
        if self.should_exit and sig == signal.SIGINT:
            os._exit(128 + sig)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, let streams say what they still know, then close."""
        service = self._service
        service.admission.stopping = True
        until = time.monotonic() + service.limits.drain
        service.stopping.set()
        for server in self.servers:
            server.close()
        try:
            async with asyncio.timeout(service.limits.drain):
                while service.admission.streams:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass
        self.config.timeout_graceful_shutdown = math.ceil(max(0, until - time.monotonic()))
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """A socket as `listen` gives it, whose connections do not wait for ever to be read.

    Raises:
        SottovoceError: as for `listen`.
    """
    listener = listening_socket(host, port)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; the connections have it from the listener
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD)
    return listener


def _is_ours(record: logging.LogRecord) -> bool:
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
    logger.addFilter(_is_ours)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it quotes what was sent
    host, port = listener.getsockname()[:2]
    started(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    Server(app).run(sockets=[listener])
