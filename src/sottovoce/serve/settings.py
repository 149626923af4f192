"""Settings of a service: its models, its limits (`sottovoce.options.Limits`), who may use it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from sottovoce.errors import SottovoceError
from sottovoce.options import Limits
from sottovoce.text import one_line

ORIGIN = re.compile(r"https?://[^\s/?#@]+")
"""Of a web page: scheme, host and perhaps a port."""


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
    corrections: Path | None = None
    """The folder where corrections are kept; made at the first one. None takes none."""
    profile: str | None = field(default=None, repr=False)
    """The file of the profile that recordings are judged with where a request brings none; of the
    first model."""
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
