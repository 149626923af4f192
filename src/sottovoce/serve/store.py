"""Results in a database, if there is one: never a file's name, audio only with `store_audio`."""

from __future__ import annotations

import contextlib
import datetime
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import sqlalchemy
from sqlalchemy import JSON, BigInteger, Column, DateTime, Float, Integer, LargeBinary, String

from sottovoce.errors import MissingExtraError, SottovoceError
from sottovoce.results import Prediction, Result, Segment, Status
from sottovoce.text import one_line

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
"""What an address begins with -> what SQLAlchemy calls it."""

MAX_PENDING = 10_000
"""Requests whose results may wait; with more, something is wrong with the database."""

MAX_BATCH = 256
"""Requests whose results are written in one transaction at most."""

TIMEOUT = 10
"""s that a database may take to respond."""

CHECK = "check"
"""The request of the row that is written and deleted to see whether rows can be."""

TRIES = 5
"""Times that the tables are made once more: each time, another process made one of them."""

POSTGRESQL_TIMEOUTS = {
    "connect_timeout": TIMEOUT,
    "tcp_user_timeout": 1000 * TIMEOUT,
    "keepalives_idle": TIMEOUT,
}
"""How long it may be out of reach before a connection is given up."""

Row = dict[str, Any]
Pending = tuple[Sequence[Row], Sequence[Row], "Future[bool]"]
"""The results and the recordings of a request, and whether they were written."""

SQL_TYPES: Mapping[Any, Any] = {
    float: Float,
    int: Integer,
    str: String(64),
    Status: String(16),
    Mapping: JSON,
}
"""Of a field of a result -> of its column."""

SQL_NAMES = {"start": "starts", "end": "ends"}
"""Of columns that are not called as their field: END is a word of SQL."""


def _columns(result: type[Result]) -> Iterator[Column[Any]]:
    """A column for each field of a result; it may be null where the field may be None."""
    for name, field in result.model_fields.items():
        is_union = get_origin(field.annotation) in (Union, UnionType)
        kinds = get_args(field.annotation) if is_union else (field.annotation,)
        kinds = tuple(_plain(kind) for kind in kinds)
        sql_type = next(SQL_TYPES[kind] for kind in kinds if kind is not NoneType)
        is_optional = NoneType in kinds or name in SQL_NAMES  # a recording's end may be unknown
        yield Column(SQL_NAMES.get(name, name), sql_type, nullable=is_optional)


def _plain(kind: Any) -> Any:
    """A type without its arguments, or what it is annotated with."""
    origin = get_origin(kind)
    return kind.__origin__ if origin is Annotated else origin or kind


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
    *_columns(Segment),
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
        SottovoceError: it cannot be reached or is no such address; the text has no password.
        MissingExtraError: psycopg is needed and not installed.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._file = _file_of(self._engine)
        self._identity = _identity(self._file)
        self.failing = False
        """Whether the last write failed."""
        self._queue: queue.Queue[Pending | None] = queue.Queue(MAX_PENDING)
        self._thread = threading.Thread(target=self._work, name="sottovoce-store", daemon=True)
        self._thread.start()

    def add(self, results: Sequence[Row], recordings: Sequence[Row] = ()) -> Future[bool]:
        """Hand over the results of one request; the future is whether they were written."""
        future: Future[bool] = Future()
        try:
            self._queue.put_nowait((results, recordings, future))
        except queue.Full:
            future.set_result(False)
        return future

    def is_usable(self) -> bool:
        """Whether the database can be reached and, after a failed write, be written to again."""
        try:
            if not self.failing:
                with self._engine.connect() as connection:
                    connection.execute(sqlalchemy.select(1))
                return _identity(self._file) == self._identity
            self._look_at_file()
            with self._engine.begin() as connection:  # a row that nobody sees
                added = connection.execute(sqlalchemy.insert(RESULTS), [_empty_row()])
                number = added.inserted_primary_key
                one = RESULTS.c.request == CHECK if number is None else RESULTS.c.id == number[0]
                connection.execute(sqlalchemy.delete(RESULTS).where(one))
        except (sqlalchemy.exc.SQLAlchemyError, SottovoceError):
            return False
        self.failing = False
        return True

    def _look_at_file(self) -> None:
        """Go on with a new file where SQLite's was deleted, or another took its place.

        Raises:
            SQLAlchemyError: it cannot be made.
        """
        if _identity(self._file) != self._identity:
            logger.error("the store's file was deleted or replaced; a new one is used")
            self._engine.dispose()
            _make_tables(self._engine)
            self._identity = _identity(self._file)

    def close(self) -> None:
        """Write what waits, as far as the database takes it, and let go of it."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=TIMEOUT)
        self._thread.join(2 * TIMEOUT)
        self._engine.dispose()

    def _work(self) -> None:
        is_last = False
        while not is_last:
            batch: list[Pending] = []
            pending = self._queue.get()
            while pending is not None:
                if pending[2].set_running_or_notify_cancel():
                    batch.append(pending)
                if len(batch) == MAX_BATCH or self._queue.empty():
                    break
                pending = self._queue.get()
            is_last = pending is None
            self._write(batch)

    def _write(self, batch: list[Pending]) -> None:
        """Write results; request by request where the database refuses a value of some of them."""
        try:
            self._insert(batch)
        except sqlalchemy.exc.OperationalError as error:  # it is away, or full
            logger.error("the store did not take %d requests: %s", len(batch), _reason(error))
            written = False
        except Exception as error:  # of whatever kind: those who wait must go on
            if len(batch) > 1:
                for pending in batch:
                    self._write([pending])
                return
            logger.error("the store did not take a request's results: %s", _reason(error))
            written = False
        else:
            written = True
        if batch:
            self.failing = not written
        for _, _, future in batch:
            future.set_result(written)

    def _insert(self, batch: list[Pending]) -> None:
        self._look_at_file()
        rows = [row for results, _, _ in batch for row in results]
        recordings = [row for _, contents, _ in batch for row in contents]
        with self._engine.begin() as connection:
            if rows:
                connection.execute(sqlalchemy.insert(RESULTS), rows)
            if recordings:
                connection.execute(sqlalchemy.insert(RECORDINGS), recordings)


def result_rows(
    kind: str,
    request: str,
    caller: str | None,
    model: str,
    results: Sequence[Prediction | Segment],
) -> list[Row]:
    """The rows of the results of one request.

    Args:
        kind: predict, timeline or stream.
        request: its id.
        caller: the caller's id.
        model: its title.
        results: the predictions of each recording, one or one a channel, or the segments of one.
    """
    now = datetime.datetime.now(datetime.UTC)
    rows, number = [], 0
    for result in results:
        values = result.to_dict()
        if isinstance(result, Prediction):  # the whole recording
            values |= {"start": 0.0, "end": result.duration}
            number += result.channel in (None, 1)
        row = {SQL_NAMES.get(name, name): values.get(name) for name in Segment.model_fields}
        row |= {"time": now, "request": request, "kind": kind, "caller": caller, "model": model}
        rows.append(row | {"number": number if isinstance(result, Prediction) else 1})
    return rows


def _empty_row() -> Row:
    """A row with nothing in it, for trying whether rows can be written."""
    results = [Prediction(status=Status.SILENCE, model="", duration=0.0)]
    (row,) = result_rows("check", CHECK, None, "", results)
    return row


def _file_of(engine: sqlalchemy.Engine) -> Path | None:
    """SQLite's file; None for another database."""
    if engine.dialect.name != "sqlite" or engine.url.database is None:
        return None
    path = Path(engine.url.database)
    return path if path.exists() else None  # as with file:... addresses


def _identity(file: Path | None) -> tuple[int, int] | None:
    """What tells a file from a later one of its name; None where there is none."""
    try:
        status = None if file is None else file.stat()
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)


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
    is_sqlite = url.drivername == "sqlite"
    timeouts = {"timeout": TIMEOUT} if is_sqlite else POSTGRESQL_TIMEOUTS
    try:
        engine = sqlalchemy.create_engine(
            url, hide_parameters=True, pool_pre_ping=True, connect_args=timeouts
        )
        if is_sqlite:
            sqlalchemy.event.listen(engine, "connect", _write_ahead)
        _make_tables(engine)
    except ModuleNotFoundError as error:
        raise MissingExtraError("the store", str(error.name), "postgresql") from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        address = url.render_as_string(hide_password=True)
        raise SottovoceError(
            f"{address} cannot be used as a store ({_reason(error)}); is it there, and writable?"
        ) from None
    return engine


def _make_tables(engine: sqlalchemy.Engine) -> None:
    """Make what is missing; where processes start together, another may make it first."""
    engine.connect().close()  # not tried again if it cannot be reached
    for _ in range(TRIES):
        with contextlib.suppress(sqlalchemy.exc.DBAPIError):
            METADATA.create_all(engine)
            return
    METADATA.create_all(engine)


def _write_ahead(connection: Any, _: object) -> None:
    """Let SQLite write its log ahead, which takes no file sync for each transaction.

    Its own timeout does not hold for the change of the log: while another process makes it, or the
    tables, it is tried again.
    """
    deadline = time.monotonic() + TIMEOUT
    for setting in ("journal_mode=WAL", "synchronous=NORMAL"):
        while True:
            try:
                connection.execute(f"PRAGMA {setting}").close()
                break
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _reason(error: Exception) -> str:
    """The first line of a database's error, or only its kind: later lines may quote values."""
    lines = str(getattr(error, "orig", None) or "").strip().splitlines()
    return one_line(lines[0]) if lines else type(error).__name__
