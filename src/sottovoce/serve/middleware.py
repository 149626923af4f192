"""Every request is timed, counted and logged by its route: no query, file name or audio."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sottovoce.serve.metrics import Metrics

UNKNOWN = "other"
"""What a request to no route is counted as: paths are the callers' to choose."""

logger = logging.getLogger("sottovoce.serve")


class RequestLogMiddleware:
    """ASGI middleware around the whole app.

    Args:
        app: the ASGI app.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; count and log its status and duration."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, start = 500, time.perf_counter()

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            seconds = time.perf_counter() - start
            endpoint = getattr(scope.get("route"), "path", UNKNOWN)
            self._metrics.requests.labels(endpoint, str(status)).inc()
            self._metrics.seconds.labels(endpoint).observe(seconds)
            logger.info("%s %s %d %.0f ms", scope["method"], endpoint, status, 1000 * seconds)
