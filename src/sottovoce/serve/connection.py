"""A connection that waits only so long for the head of a request, and takes only so much of it."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 65_536
"""Bytes from the end of one request, or piece of a body, to the next."""


class Connection(HttpToolsProtocol):
    """uvicorn's, which would wait for ever and take any number of headers."""

    _head = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Wait no more: another protocol goes on with the connection."""
        self._wait_no_more()
        super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the rest of this one if it was refused early."""
        super().on_response_complete()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on, unless headers, or what else is no body, never end."""
        self._head += len(data)
        super().data_received(data)
        if self._head > LONGEST_HEAD and not self.transport.is_closing():
            if self._is_idle:
                self.send_400_response(f"More than {LONGEST_HEAD} bytes of headers.")
            else:
                self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """Count anew after each piece."""
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count anew after each request."""
        self._head = 0
        super().on_message_complete()

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._wait_no_more()
        seconds = self.config.app.state.service.limits.receive  # type: ignore[union-attr]
        self._patience = self.loop.call_later(seconds, self._give_up)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self._is_idle:
            self.transport.close()
