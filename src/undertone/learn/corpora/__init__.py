"""Corpora: one file each, all giving the same table of clips."""

import pkgutil
from functools import cache


@cache
def known() -> tuple[str, ...]:
    """Names of the corpora that Undertone can read, in order of name."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_"))
