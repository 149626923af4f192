"""What a request brings: recordings, raw or as multipart, in memory alone and within limits."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from fastapi import Request
from starlette.requests import ClientDisconnect

from sottovoce.serve.admission import Place
from sottovoce.serve.errors import Refusal
from sottovoce.serve.forms import Form
from sottovoce.serve.settings import Limits


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording as it came."""

    content: bytes = field(repr=False)
    name: str | None = field(default=None, repr=False)
    """What the caller calls the file: told back, never logged or kept."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a request brought."""

    recordings: list[Recording]
    """One or more."""
    is_form: bool
    """Whether it was a form, which may hold several, or one recording on its own."""


async def read_body(request: Request, place: Place, limits: Limits) -> Body:
    """The recordings in a request.

    Args:
        request: its body is a recording, or a form with recordings as files.
        place: holds the bytes.
        limits: of size, number and time.

    Raises:
        Refusal: 400 the client left or the form is broken, 408 too slow, 413 too large or too
            many, 415 text, 422 a form without recordings or with other fields, 429 no room.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.startswith("text/"):
        raise Refusal(
            415, "not_audio", f"the body is said to be {kind}; send the recording's bytes"
        )
    try:
        async with asyncio.timeout(limits.receive):
            chunks = _chunks(request, place, limits)
            if kind == "multipart/form-data":
                form = Form(request.headers["content-type"], limits.recordings)
                async for chunk in chunks:
                    form.feed(chunk)
                files = [Recording(content, name) for name, content in form.finish()]
                return Body(files, is_form=True)
            content = io.BytesIO()
            async for chunk in chunks:
                content.write(chunk)
            return Body([Recording(content.getvalue())], is_form=False)
    except TimeoutError:
        raise Refusal(
            408, "too_slow", f"the body did not come within {limits.receive:g} s"
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "cut_short", "the connection ended before the body did") from None


async def _chunks(request: Request, place: Place, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The body as it comes, refused as soon as it is, or says that it will be, too long."""
    said = request.headers.get("content-length", "")
    size = int(said) if said.isdecimal() else 0
    if size <= limits.upload:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.upload:
                break
            place.hold(len(chunk))
            yield chunk
        else:
            return
    raise Refusal(413, "too_large", f"the body is longer than {limits.upload} bytes")
