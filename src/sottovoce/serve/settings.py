"""Settings of a service: its models, its limits, and who may use it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from sottovoce.errors import SottovoceError
from sottovoce.options import Options
from sottovoce.text import one_line

ORIGIN = re.compile(r"https?://[^\s/?#@]+")
"""Of a web page: scheme, host and perhaps a port."""


def _limit(default: float, description: str, unit: str | None = None) -> Any:
    """A field of `Limits`, above 0."""
    return Field(default=default, gt=0, description=description, json_schema_extra={"unit": unit})


class Limits(Options):
    """What the service takes; more is refused, so that nobody can use it up.

    Raises:
        SottovoceError: a limit is not above 0.
    """

    upload: int = _limit(64_000_000, "Size of a request.", "bytes")
    memory: int = _limit(512_000_000, "Size of all requests held at a time.", "bytes")
    recordings: int = _limit(64, "Recordings in one request.")
    duration: float = _limit(600.0, "Length of a recording.", "s")
    """For `/v1/predict`."""
    timeline: float = _limit(4 * 3600.0, "The same for a timeline.", "s")
    work: float = _limit(120.0, "Time that a recording may take.", "s")
    """To decode it, or to follow it over time."""
    receive: float = _limit(60.0, "Time for a request's head, and again for its body.", "s")
    requests: int = _limit(128, "Requests at a time.")
    """With recordings."""
    streams: int = _limit(64, "Streams at a time.")
    frame: int = _limit(4_000_000, "Size of a message in a stream; a longer one ends it.", "bytes")
    idle: float = _limit(30.0, "End a stream without sound.", "s")
    drain: float = _limit(30.0, "Time for what is in progress when the service stops.", "s")

    @classmethod
    def _prefix(cls) -> str:
        return "limit "


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a service is set up.

    Raises:
        SottovoceError: an origin is none, or recordings are to be kept without a store.
    """

    models: tuple[str | None, ...] = (None,)
    """Names or paths; the first is used where a request names none. None is the built-in one."""
    keys: tuple[str, ...] = field(default=(), repr=False)
    """API keys, of which a caller must give one; none is needed where there are none."""
    cors: tuple[str, ...] = ()
    """Origins, such as https://example.org, whose pages may send requests; "*" for all."""
    store: str | None = field(default=None, repr=False)
    """Where results are kept: sqlite:///FILE or postgresql://...; None keeps nothing."""
    store_audio: bool = False
    """Whether the recordings are kept with the results."""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for origin in self.cors:
            if not (origin == "*" or ORIGIN.fullmatch(origin)):
                raise SottovoceError(
                    f"--cors {one_line(origin)} is no origin; expected such as "
                    "https://example.org, without a path, or * for all"
                )
        if self.store_audio and self.store is None:
            raise SottovoceError("recordings can be kept only in a store; give --store too")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that is bound to `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
