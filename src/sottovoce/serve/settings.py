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

SECONDS: dict[str, Any] = {"unit": "s"}
BYTES: dict[str, Any] = {"unit": "bytes"}


class Limits(Options):
    """What the service takes; more is refused, so that nobody can use it up.

    Raises:
        SottovoceError: a limit is not above 0.
    """

    upload: int = Field(
        default=64_000_000, gt=0, description="Size of a request.", json_schema_extra=BYTES
    )
    memory: int = Field(
        default=512_000_000,
        gt=0,
        description="Size of all requests together that are held at a time.",
        json_schema_extra=BYTES,
    )
    recordings: int = Field(default=64, gt=0, description="Recordings in one request.")
    duration: float = Field(
        default=600.0, gt=0, description="Length of a recording.", json_schema_extra=SECONDS
    )
    """For `/v1/predict`."""
    timeline: float = Field(
        default=4 * 3600.0, gt=0, description="The same for a timeline.", json_schema_extra=SECONDS
    )
    work: float = Field(
        default=120.0,
        gt=0,
        description="Time that a recording may take.",
        json_schema_extra=SECONDS,
    )
    """To decode it, or to follow it over time."""
    receive: float = Field(
        default=60.0,
        gt=0,
        description="Time in which a request's head, and again its body, must have come.",
        json_schema_extra=SECONDS,
    )
    requests: int = Field(default=128, gt=0, description="Requests at a time.")
    """With recordings."""
    streams: int = Field(default=64, gt=0, description="Streams at a time.")
    frame: int = Field(
        default=4_000_000,
        gt=0,
        description="Size of one message in a stream; a longer one ends it.",
        json_schema_extra=BYTES,
    )
    idle: float = Field(
        default=30.0, gt=0, description="End a stream without sound.", json_schema_extra=SECONDS
    )
    drain: float = Field(
        default=30.0,
        gt=0,
        description="Time that a service which is to stop gives to what it has.",
        json_schema_extra=SECONDS,
    )

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
