"""The progress of an archive as Prometheus reads it, under the names of the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sottovoce.errors import MissingExtraError, SottovoceError
from sottovoce.results import Status

if TYPE_CHECKING:
    from sottovoce.archive.run import Tally


@contextmanager
def served(port: int | None, model: str) -> Iterator[Callable[[Tally], None]]:
    """Counters on a port of this machine; gives what takes the tally of a run as it grows.

    Args:
        port: None: no counters.
        model: its name and version.

    Raises:
        MissingExtraError: prometheus-client is not installed.
        SottovoceError: the port is taken.
    """
    if port is None:
        yield lambda tally: None
        return
    try:
        from prometheus_client import Gauge, start_http_server

        from sottovoce.serve.metrics import Metrics
    except ModuleNotFoundError as error:
        raise MissingExtraError("--metrics", str(error.name), "serve") from None
    metrics = Metrics()
    left = Gauge("sottovoce_archive_left", "Recordings still to hear.", registry=metrics.registry)
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=metrics.registry)
    except OSError as error:
        raise SottovoceError(
            f"--metrics {port}: cannot be listened on ({error.strerror}); choose another port"
        ) from None
    seconds = 0.0
    heard: Counter[tuple[str, str | None]] = Counter()

    def count(tally: Tally) -> None:
        nonlocal seconds, heard
        left.set(tally.planned - tally.files)
        metrics.audio.labels("archive").inc(tally.seconds - seconds)
        seconds = tally.seconds
        for (status, emotion), number in (tally.answers - heard).items():
            metrics.answers.labels(model, status).inc(number)
            if status == Status.OK and emotion is not None:
                metrics.emotions.labels(model, emotion).inc(number)
        heard = tally.answers.copy()

    try:
        yield count
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
