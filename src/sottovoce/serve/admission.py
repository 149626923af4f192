"""How much is taken at a time: requests, the bytes that they hold, and streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sottovoce.serve.errors import stopping, too_busy
from sottovoce.serve.settings import Limits


class Place:
    """What one request holds."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.held = 0
        """Bytes."""

    def hold(self, size: int) -> None:
        """Hold so many more bytes.

        Raises:
            Refusal: 429, all requests together would hold too much.
        """
        if self._admission.held + size > self._admission.limits.memory:
            raise too_busy("the service holds as many bytes as it may")
        self.held += size
        self._admission.held += size


class Admission:
    """Counts what is being done; used from the event loop alone.

    Args:
        limits: how much there may be.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.requests = self.streams = self.held = 0
        self.stopping = False

    @contextmanager
    def request(self) -> Iterator[Place]:
        """Take a request in; its place is free again at the end.

        Raises:
            Refusal: 429, one too many; 503, the service is about to stop.
        """
        if self.stopping:
            raise stopping()
        if self.requests >= self.limits.requests:
            raise too_busy(f"{self.requests} requests are being answered")
        place = Place(self)
        self.requests += 1
        try:
            yield place
        finally:
            self.requests -= 1
            self.held -= place.held

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Take a stream in.

        Raises:
            Refusal: as for `request`.
        """
        if self.stopping:
            raise stopping()
        if self.streams >= self.limits.streams:
            raise too_busy(f"{self.streams} streams are open")
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1
