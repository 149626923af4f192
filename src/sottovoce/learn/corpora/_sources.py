"""Where a corpus is got: from an archive that anyone may fetch, or in another way, in words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Archive:
    """One zip file in the archive that the owners of a corpus chose."""

    url: str
    page: str
    """Where people read about the corpus and its licence."""
    size: int | None = None
    """Bytes; None where the archive is packed as it is asked for."""
    digest: str = ""
    """"md5:..." or "sha256:...", where the owners' archive publishes one."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """A corpus that no program should fetch."""

    page: str
    words: str
    """How to get it, as one line; DIR in it is the user's folder."""
