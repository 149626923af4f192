"""Who may use the service: API keys from a file or the environment, and how one is checked."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from sottovoce.errors import SottovoceError
from sottovoce.serve.errors import Refusal
from sottovoce.text import display_path

VARIABLE = "SOTTOVOCE_API_KEYS"
"""The environment variable with API keys, separated by commas or spaces."""

SHORTEST = 16
"""Characters; a shorter key could be guessed."""


def read_keys(path: str | os.PathLike[str] | None, environment: Mapping[str, str]) -> list[str]:
    """The keys in a file, one a line with # before remarks, and those in the environment.

    Raises:
        SottovoceError: the file cannot be read or has no key, or a key is too short or not ASCII.
    """
    keys = environment.get(VARIABLE, "").replace(",", " ").split()
    if path is not None:
        name = display_path(path)
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise SottovoceError(
                f"{name}: cannot be read ({reason}); give one key a line"
            ) from None
        found = [key for line in lines if (key := line.partition("#")[0].strip())]
        if not found:
            raise SottovoceError(f"{name}: has no key; give one a line")
        keys += found
    for number, key in enumerate(keys, 1):
        if len(key) < SHORTEST or not (key.isascii() and key.isprintable() and " " not in key):
            raise SottovoceError(
                f"API key {number} is not {SHORTEST} or more ASCII characters without spaces; "
                "make one with: openssl rand -hex 24"
            )
    return keys


def is_known(key: str, keys: tuple[str, ...]) -> bool:
    """Whether a key is one of those known; how long that takes says nothing of them."""
    given = _digest(key)
    found = False
    for one in keys:
        found |= hmac.compare_digest(given, _digest(one))
    return found


def _digest(key: str) -> bytes:
    """Of equal length for every key, as `compare_digest` needs it."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def given_key(connection: HTTPConnection) -> str | None:
    """The key in a request's headers: `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
    kind, _, rest = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and rest.strip():
        return str(rest.strip())
    return connection.headers.get("x-api-key")


async def authorise(
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
    """Refuse a request without a known key.

    Raises:
        Refusal: 401. The two other arguments are there for the OpenAPI document.
    """
    keys = connection.app.state.service.settings.keys
    if not is_known(given_key(connection) or "", keys):
        raise unknown_key()


def unknown_key() -> Refusal:
    """Make the refusal of a caller without a known key."""
    return Refusal(
        401,
        "unauthorised",
        "no API key, or one that is not known; give it as Authorization: Bearer KEY",
        {"WWW-Authenticate": "Bearer"},
    )
