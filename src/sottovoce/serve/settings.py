"""Settings of a service: its models, its limits (`sottovoce.options.Limits`), who may use it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from sottovoce.errors import SottovoceError
from sottovoce.options import Limits
from sottovoce.text import one_line

PORT = re.compile(r"(?<=[^:]):\d*$")
"""At the end of a `Host`; an address of IPv6 stands in brackets there."""
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
    on_demand: tuple[str, ...] = ()
    """Further ones, each opened by the first request that names it; left out where it is broken."""
    keys: tuple[str, ...] = field(default=(), repr=False)
    """API keys, of which a caller must give one; none is needed where there are none."""
    cors: tuple[str, ...] = ()
    """Origins, such as https://example.org, whose pages may send requests; "*" for all."""
    hosts: tuple[str, ...] = ()
    """Names and addresses that it is reached by, besides those that mean this machine; looked at
    where there are no keys. 0.0.0.0 or :: stands for every address, but for no name."""
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

    def is_own_host(self, host: str) -> bool:
        """Whether a request's `Host` names this service.

        Args:
            host: a name or an address, perhaps with a port.
        """
        name = PORT.sub("", host.strip().lower()).strip("[]").rstrip(".")
        if is_loopback(name) or name in {own.lower().strip("[]") for own in self.hosts}:
            return True
        return bool({"0.0.0.0", "::"} & set(self.hosts)) and _is_address(name)  # noqa: S104


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that is bound to `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
