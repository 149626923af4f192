"""Results in a database, where that is asked for: never a file's name, and audio only if asked."""

from __future__ import annotations

import contextlib
import datetime
import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import sqlalchemy
from sqlalchemy import JSON, BigInteger, Column, DateTime, Float, Integer, LargeBinary, String

from sottovoce.errors import MissingExtraError, SottovoceError
from sottovoce.results import Prediction, Segment
from sottovoce.text import one_line

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
"""What an address begins with -> what SQLAlchemy calls it."""

WAITING = 10_000
"""Requests whose results may wait; with more, something is wrong with the database."""

TOGETHER = 256
"""Requests whose results are written in one transaction at most."""

PATIENCE = 10
"""s that is waited for a database that does not answer."""

TRIES = 5
"""Times that the tables are made once more: each time, another process made one of them."""

PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
"""What a caller's id is made of: PostgreSQL takes no NUL, and nobody wants the others."""

POSTGRESQL_WAITS = {
    "connect_timeout": PATIENCE,
    "tcp_user_timeout": 1000 * PATIENCE,
    "keepalives_idle": PATIENCE,
}
"""How long it may be out of reach before a connection is given up."""

Row = dict[str, Any]
Waiting = tuple[Sequence[Row], Sequence[Row], "Future[bool]"]

METADATA = sqlalchemy.MetaData()

RESULTS = sqlalchemy.Table(
    "sottovoce_results",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("time", DateTime(timezone=True), nullable=False, index=True),
    Column("request", String(32), nullable=False, index=True),
    Column("number", Integer, nullable=False),  # of the recording in its request, from 1
    Column("kind", String(16), nullable=False),  # predict, timeline or stream
    Column("caller", String(128), index=True),
    Column("model", String(256), nullable=False),
    Column("starts", Float),  # s
    Column("ends", Float),
    Column("channel", Integer),
    Column("status", String(16), nullable=False),
    Column("emotion", String(64)),
    Column("confidence", Float),
    Column("probabilities", JSON, nullable=False),
)

RECORDINGS = sqlalchemy.Table(
    "sottovoce_recordings",
    METADATA,
    Column("request", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

logger = logging.getLogger("sottovoce.serve")


class Store:
    """Writes results in a thread of its own, those that come together in one transaction.

    Args:
        url: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; its tables are made if need be.

    Raises:
        SottovoceError: it cannot be reached or is no such address; passwords are not told.
        MissingExtraError: psycopg is needed and not installed.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._queue: queue.Queue[Waiting | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._work, name="sottovoce-store", daemon=True)
        self._thread.start()

    def add(self, results: Sequence[Row], recordings: Sequence[Row] = ()) -> Future[bool]:
        """Hand over the results of one request; the answer is whether they were written."""
        future: Future[bool] = Future()
        try:
            self._queue.put_nowait((results, recordings, future))
        except queue.Full:
            future.set_result(False)
        return future

    def answers(self) -> bool:
        """Whether the database can be reached."""
        try:
            with self._engine.connect() as connection:
                connection.execute(sqlalchemy.select(1))
        except sqlalchemy.exc.SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Write what waits, as far as the database answers, and let go of it."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=PATIENCE)
        self._thread.join(2 * PATIENCE)
        self._engine.dispose()

    def _work(self) -> None:
        last = False
        while not last:
            together: list[Waiting] = []
            one = self._queue.get()
            while one is not None:
                if one[2].set_running_or_notify_cancel():
                    together.append(one)
                if len(together) == TOGETHER or self._queue.empty():
                    break
                one = self._queue.get()
            last = one is None
            self._write(together)

    def _write(self, together: list[Waiting]) -> None:
        """Write results; one by one where the database minds a value of some of them."""
        try:
            self._insert(together)
        except sqlalchemy.exc.OperationalError as error:  # it is away, or full
            logger.error("the store did not take %d requests: %s", len(together), _reason(error))
            written = False
        except Exception as error:  # whatever it is, those who wait must hear of it
            if len(together) > 1:
                for one in together:
                    self._write([one])
                return
            logger.error("the store did not take a request's results: %s", _reason(error))
            written = False
        else:
            written = True
        for _, _, future in together:
            future.set_result(written)

    def _insert(self, together: list[Waiting]) -> None:
        rows = [row for results, _, _ in together for row in results]
        recordings = [row for _, contents, _ in together for row in contents]
        with self._engine.begin() as connection:
            if rows:
                connection.execute(sqlalchemy.insert(RESULTS), rows)
            if recordings:
                connection.execute(sqlalchemy.insert(RECORDINGS), recordings)


def rows_of(
    kind: str,
    request: str,
    caller: str | None,
    model: str,
    found: Sequence[Prediction | Segment],
) -> list[Row]:
    """The rows of the results of one request.

    Args:
        kind: predict, timeline or stream.
        request: its id.
        caller: the caller's id.
        model: its title.
        found: a prediction for each recording, or the segments of one.
    """
    now = datetime.datetime.now(datetime.UTC)
    rows = []
    for place, one in enumerate(found, 1):
        segment = one if isinstance(one, Segment) else None
        rows.append(
            {
                "time": now,
                "request": request,
                "number": 1 if segment else place,
                "kind": kind,
                "caller": caller,
                "model": model,
                "starts": segment.start if segment else 0.0,
                "ends": segment.end if segment else one.duration,
                "channel": segment.channel if segment else None,
                "status": str(one.status),
                "emotion": one.emotion,
                "confidence": one.confidence,
                "probabilities": dict(one.probabilities),
            }
        )
    return rows


def _engine(text: str) -> sqlalchemy.Engine:
    kind = text.partition("://")[0]
    try:
        if kind not in DRIVERS:
            raise sqlalchemy.exc.ArgumentError(kind)
        url = sqlalchemy.make_url(text).set(drivername=DRIVERS[kind])
        if url.database in (None, "", ":memory:"):
            raise sqlalchemy.exc.ArgumentError(kind)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise SottovoceError(
            "the address of the store is not understood; expected sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    is_file = url.drivername == "sqlite"
    waits = {"timeout": PATIENCE} if is_file else POSTGRESQL_WAITS
    try:
        engine = sqlalchemy.create_engine(
            url, hide_parameters=True, pool_pre_ping=True, connect_args=waits
        )
        if is_file:
            sqlalchemy.event.listen(engine, "connect", _log_ahead)
        _make_tables(engine)
    except ModuleNotFoundError as error:
        raise MissingExtraError("the store", str(error.name), "postgresql") from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        place = url.render_as_string(hide_password=True)
        raise SottovoceError(
            f"{place} cannot be used as a store ({_reason(error)}); is it there, and writable?"
        ) from None
    return engine


def _make_tables(engine: sqlalchemy.Engine) -> None:
    """Make what is missing; where processes start together, another may make it first."""
    engine.connect().close()  # whether it can be reached is asked once
    for _ in range(TRIES):
        with contextlib.suppress(sqlalchemy.exc.DBAPIError):
            METADATA.create_all(engine)
            return
    METADATA.create_all(engine)


def _log_ahead(connection: Any, _: object) -> None:
    """Let SQLite write its log ahead, which takes no file sync for each transaction."""
    for setting in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {setting}").close()


def _reason(error: Exception) -> str:
    """The first line of what the database said, or only its kind: later ones may quote values."""
    said = str(getattr(error, "orig", None) or "").strip().splitlines()
    return one_line(said[0]) if said else type(error).__name__
