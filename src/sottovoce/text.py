"""Names, messages and times as one printable line, whatever they hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""s, from one mark of a time axis to the next."""


def display_path(path: str | bytes | os.PathLike[Any]) -> str:
    r"""Write a path on one line that any terminal or log can take.

    >>> display_path("two\nlines.wav")
    'two\\nlines.wav'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in os.fsdecode(path)
    )


def one_line(thing: object) -> str:
    """Write anything, such as another library's message, as one printable line."""
    return display_path(" ".join(str(thing).split()))


def some(things: Sequence[str], between: str = ", ", most: int = 5) -> str:
    """Write the first few of many, and how many more there are.

    >>> some(["a", "b", "c"], most=2)
    'a, b, and 1 more'
    """
    more = f"{between}and {len(things) - most} more" if len(things) > most else ""
    return between.join(things[:most]) + more


def describe(source: Any) -> str:
    """Name a source in a message: its path where it has one, else what it is."""
    if isinstance(source, (str, os.PathLike)):
        return display_path(source) or "an empty path"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "the bytes given"
    if not hasattr(source, "read") or hasattr(source, "sample_rate"):
        return "the array given"
    name = getattr(source, "name", None)
    return display_path(name) if isinstance(name, (str, bytes)) else "the file object given"


def clock(seconds: float) -> str:
    """Write a time in s as people do, to the second.

    >>> clock(65), clock(3727)
    ('1:05', '1:02:07')
    """
    minutes, rest = divmod(int(seconds + 1e-6), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """Write a length of time: below a minute in seconds, beyond it as `clock`, rounded.

    >>> duration(3.21), duration(245.4)
    ('3.2 s', '4:05')
    """
    return f"{seconds:.1f} s" if seconds < 60 else clock(round(seconds))


def timecode(seconds: float, point: str = ".") -> str:
    """Write a time with milliseconds, as subtitles have it.

    >>> timecode(3661.5, ",")
    '01:01:01,500'
    """
    milliseconds = round(1000 * seconds)
    hours, minutes = divmod(milliseconds // 60_000, 60)
    whole, rest = divmod(milliseconds % 60_000, 1000)
    return f"{hours:02}:{minutes:02}:{whole:02}{point}{rest:03}"
