"""Who may use the service: API keys from a file or the environment, and how one is checked."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi.requests import HTTPConnection
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from sottovoce.errors import SottovoceError
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.settings import Settings, is_loopback
from sottovoce.text import display_path

KEYS_VARIABLE = "SOTTOVOCE_API_KEYS"
"""The environment variable with API keys, separated by commas or spaces."""

MIN_KEY_LENGTH = 16
"""Characters; a shorter key could be guessed."""


def read_keys(path: str | os.PathLike[str] | None, environment: Mapping[str, str]) -> list[str]:
    """The keys in a file, one a line, and those in the environment.

    Empty lines of the file, and lines that begin with #, are left out.

    Raises:
        SottovoceError: the file cannot be read or has no key, or a key is too short or not ASCII.
    """
    keys = environment.get(KEYS_VARIABLE, "").replace(",", " ").split()
    if path is not None:
        name = display_path(path)
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise SottovoceError(
                f"{name}: cannot be read ({reason}); give one key a line"
            ) from None
        in_file = [key for line in lines if (key := line.strip()) and not key.startswith("#")]
        if not in_file:
            raise SottovoceError(f"{name}: has no key; give one a line")
        keys += in_file
    for number, key in enumerate(keys, 1):
        if len(key) < MIN_KEY_LENGTH or not (
            key.isascii() and key.isprintable() and " " not in key
        ):
            raise SottovoceError(
                f"API key {number} is not {MIN_KEY_LENGTH} or more ASCII characters without "
                "spaces; make one with: openssl rand -hex 24"
            )
    return keys


def is_valid_key(key: str | None, keys: Iterable[str]) -> bool:
    """Whether a key is among the valid ones; the time that takes says nothing of them."""
    digest = _digest(key or "")
    valid = False
    for other in keys:
        valid |= hmac.compare_digest(digest, _digest(other))
    return valid


def _digest(key: str) -> bytes:
    """Of equal length for every key, as `compare_digest` needs it."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def keys_in_headers(connection: HTTPConnection) -> list[str]:
    """The keys in a request's headers: `Authorization: Bearer KEY` and `X-API-Key: KEY`."""
    keys = []
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        keys.append(str(key.strip()))
    return keys + connection.headers.getlist("x-api-key")


def valid_key(connection: HTTPConnection, keys: Iterable[str]) -> str | None:
    """The first key in a request's headers that is valid: a wrong one hides no right one."""
    for key in keys_in_headers(connection):
        if is_valid_key(key, keys):
            return key
    return None


def caller_of(connection: HTTPConnection) -> str:
    """Who asks, as far as work is shared out fairly: a key, or an address; never kept or logged."""
    key = valid_key(connection, connection.app.state.service.settings.keys)
    if key is not None:
        return f"key {_digest(key).hex()}"
    return f"address {connection.client.host if connection.client else ''}"


async def require_key(
    connection: HTTPConnection,
    _bearer: Annotated[
        HTTPAuthorizationCredentials | None,
        Depends(HTTPBearer(auto_error=False, description="One of the service's API keys.")),
    ],
    _header: Annotated[
        str | None,
        Depends(APIKeyHeader(name="X-API-Key", auto_error=False, description="The same.")),
    ],
) -> None:
    """Dependency of the routes that need a key; its other arguments are for the OpenAPI document.

    Raises:
        ServiceError: 401, no key or one that is not valid.
    """
    if valid_key(connection, connection.app.state.service.settings.keys) is None:
        raise unauthorised()


def unauthorised() -> ServiceError:
    """Make the error for a caller without a valid key."""
    return ServiceError(
        401,
        "unauthorised",
        "no API key, or one that is not known; give it as Authorization: Bearer KEY",
        {"WWW-Authenticate": "Bearer"},
    )


def may_correct(connection: HTTPConnection, settings: Settings) -> bool:
    """Whether a caller may have something kept: one with a key, or on this machine.

    The host asked for must be this machine too: behind a proxy every caller seems to be here, and
    a page from elsewhere may call its own host by this machine's address.
    """
    if settings.keys:
        return True
    hosts = (connection.client.host if connection.client else "", connection.url.hostname or "")
    return all(map(is_loopback, hosts))


async def check_client(connection: HTTPConnection) -> None:
    """Dependency of all routes but the public ones: refuse what a page of another site sends.

    Raises:
        ServiceError: 403.
    """
    settings: Settings = connection.app.state.service.settings
    check_host(connection, settings)
    if connection.scope.get("method") == "POST":
        check_origin(connection, settings.cors)


def check_host(connection: HTTPConnection, settings: Settings) -> None:
    """Where no key is needed, refuse a name that is not the service's own.

    A page may let its own name mean this machine (DNS rebinding), and is then of the same origin
    as the service; but the browser still sends the page's name as `Host`.

    Raises:
        ServiceError: 403.
    """
    host = connection.headers.get("host")
    if host is not None and not settings.keys and not settings.is_own_host(host):
        message = "this service is not called so; start it with --allow-host NAME, or with keys"
        raise ServiceError(403, "bad_host", message)


def check_origin(connection: HTTPConnection, allowed: Iterable[str]) -> None:
    """Refuse a WebSocket or a form of a page from elsewhere.

    A browser lets any page open a WebSocket to anywhere, or send a form there, so the page's origin
    must be the service's own host or among those allowed. Programs send no origin.

    Raises:
        ServiceError: 403.
    """
    origin = connection.headers.get("origin")
    if origin is None or {"*", origin} & set(allowed):
        return
    try:
        host = urlsplit(origin).netloc
    except ValueError:  # such as http://[
        host = ""
    if not host or host != connection.headers.get("host"):
        raise ServiceError(403, "bad_origin", "pages of that origin may not ask; see --cors")
