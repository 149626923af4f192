"""What a service is asked to be: its models, its limits, and who may use it."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, field, fields

from sottovoce.errors import SottovoceError
from sottovoce.text import one_line

ORIGIN = re.compile(r"https?://[^\s/?#@]+")
"""Of a web page: scheme, host and perhaps a port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the service takes; more is refused, so that nobody can use it up.

    Raises:
        SottovoceError: a limit is not above 0.
    """

    upload: int = 64_000_000
    """Bytes of one request's body."""
    memory: int = 512_000_000
    """Bytes of all bodies together that are held at a time."""
    recordings: int = 64
    """Recordings in one request."""
    duration: float = 600.0
    """s of a recording for `/v1/predict`."""
    timeline: float = 4 * 3600.0
    """s of a recording for `/v1/timeline`."""
    work: float = 120.0
    """s that decoding one recording, or following it over time, may take."""
    receive: float = 60.0
    """s in which a request's body must have come."""
    requests: int = 128
    """Requests with recordings that are taken at a time."""
    streams: int = 64
    """Streams at a time."""
    frame: int = 4_000_000
    """Bytes of one message in a stream; a longer one ends it."""
    idle: float = 30.0
    """s without a message after which a stream is ended."""
    drain: float = 30.0
    """s that a service which is to stop gives to what it has."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if not 0 < value < math.inf:
                raise SottovoceError(f"limit {one.name} is {value}; expected more than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A service, as it is asked for.

    Raises:
        SottovoceError: an origin is none, or recordings are to be kept without a store.
    """

    models: tuple[str | None, ...] = (None,)
    """Names or paths; the first answers where a request names none. None is the built-in one."""
    keys: tuple[str, ...] = field(default=(), repr=False)
    """API keys, of which a caller must give one; nobody is asked where there are none."""
    cors: tuple[str, ...] = ()
    """Origins, such as https://example.org, whose pages may ask; "*" for all."""
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
