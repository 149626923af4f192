"""Uploads: the recordings in a request's body, raw or as a form, in memory and within limits."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from sottovoce.options import Limits
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.service import Reservation


@dataclass(frozen=True, slots=True)
class Upload:
    """One recording as it came."""

    content: bytes = field(repr=False)
    name: str | None = field(default=None, repr=False)
    """What the caller calls the file: given back, never logged or kept."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """What a request brought."""

    recordings: list[Upload]
    """One or more."""
    profile: str | None = field(default=None, repr=False)
    """The JSON text of the profile to judge them with, if one came: used, never logged or kept."""


class InMemoryMultiPartParser(MultiPartParser):
    """Starlette's parser in memory alone; it refuses too many parts, and a form cut short."""

    spool_max_size = 0  # of tempfile.SpooledTemporaryFile: no limit, so it stays in memory

    def __init__(
        self, headers: Headers, stream: AsyncGenerator[bytes, None], limits: Limits
    ) -> None:
        super().__init__(
            headers,
            self._whole(stream),
            max_files=limits.recordings,
            max_fields=limits.recordings,
            max_part_size=limits.upload,
        )
        self._parts = 0
        self._has_ended = False

    def on_part_begin(self) -> None:
        """Count the parts.

        Raises:
            ServiceError: 413, there are too many.
        """
        super().on_part_begin()
        self._parts += 1
        if self._parts > self.max_files:
            message = f"more than {self.max_files} recordings in one request"
            raise ServiceError(413, "too_many", message)

    def on_end(self) -> None:
        """Note that the last boundary has come."""
        super().on_end()
        self._has_ended = True

    async def _whole(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Starlette takes a form that is cut short for whole: refuse it, while it still parses."""
        async for chunk in stream:
            yield chunk
        if not self._has_ended:
            raise MultiPartException("it ends before its last boundary")


async def read_uploads(request: Request, reservation: Reservation, limits: Limits) -> Uploads:
    """The recordings in a request.

    Args:
        request: its body is a recording, or a form with recordings as files.
        reservation: counts the bytes.
        limits: of size, number and time.

    Raises:
        ServiceError: 400 the client left or the form is broken, 408 too slow, 413 too large or too
            many, 415 text, 422 a form without recordings or with other fields, 429 no room.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json" or content_type.startswith("text/"):
        raise ServiceError(
            415, "not_audio", f"the body is declared as {content_type}; send the recording's bytes"
        )
    try:
        async with (
            asyncio.timeout(limits.receive),
            aclosing(_chunks(request, reservation, limits)) as chunks,
        ):
            if content_type == "multipart/form-data":
                return await _read_form(request, chunks, limits)
            content = io.BytesIO()
            async for chunk in chunks:
                content.write(chunk)
            return Uploads([Upload(content.getvalue())])
    except TimeoutError:
        raise ServiceError(
            408, "too_slow", f"the body did not come within {limits.receive:g} s"
        ) from None
    except ClientDisconnect:
        raise ServiceError(400, "cut_short", "the connection ended before the body did") from None


async def _read_form(
    request: Request, chunks: AsyncGenerator[bytes, None], limits: Limits
) -> Uploads:
    try:
        form = await InMemoryMultiPartParser(request.headers, chunks, limits).parse()
    except MultiPartException as error:
        message = f"not a whole multipart form: {error.message}"
        raise ServiceError(400, "bad_form", message) from None
    try:
        recordings, profile = [], None
        for name, part in form.multi_items():
            if isinstance(part, str) and name == "profile":
                profile = part
                continue
            if isinstance(part, str):
                message = "a field is no file; options go into the query, a profile into `profile`"
                raise ServiceError(422, "bad_form", message)
            recordings.append(Upload(part.file.read(), part.filename or None))
            part.file.close()  # its memory is free before the next one is copied
    finally:
        await form.close()
    if not recordings:
        message = "the form has no file; add one or more recordings"
        raise ServiceError(422, "no_recording", message)
    return Uploads(recordings, profile=profile)


async def _chunks(
    request: Request, reservation: Reservation, limits: Limits
) -> AsyncGenerator[bytes, None]:
    """The body as it comes, refused as soon as it is, or says that it will be, too long."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else 0
    if size <= limits.upload:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.upload:
                break
            reservation.hold(len(chunk))
            yield chunk
        else:
            return
    raise ServiceError(413, "too_large", f"the body is longer than {limits.upload} bytes")


def one_of(recordings: list[Upload]) -> Upload:
    """The one recording of a request.

    Raises:
        ServiceError: 422, there are more.
    """
    if len(recordings) > 1:
        raise ServiceError(422, "too_many", f"{len(recordings)} recordings; expected one")
    return recordings[0]
