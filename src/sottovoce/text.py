"""Names, messages and times as one printable line, whatever they hold."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""s, from one mark of a time axis to the next."""


CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that do something to a terminal (ISO 6429) or turn the direction of text (Unicode's
annex 9), other than line feeds and tabs."""


def printable(text: str) -> str:
    r"""Write a text with its control characters spelled out, so that a terminal only shows it.

    >>> printable("\x1b[2Jred")
    '\\x1b[2Jred'
    """
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def display_path(path: str | bytes | os.PathLike[Any]) -> str:
    r"""Write a path on one line that any terminal or log can take.

    >>> display_path("two\nlines.wav")
    'two\\nlines.wav'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in os.fsdecode(path)
    )


FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a text begins that a spreadsheet would take for a formula, or that `csv_cell` has changed."""


def csv_cell(value: Any) -> Any:
    """A value as a cell of a table that people may open: a text is no formula to a spreadsheet.

    An apostrophe before it says so, as OWASP's page on CSV injection has it. Numbers stay numbers.

    >>> csv_cell("=1+2"), csv_cell("-0.5"), csv_cell(-0.5)
    ("'=1+2", '-0.5', -0.5)
    """
    if not isinstance(value, str) or not FORMULA.match(value):
        return value
    with contextlib.suppress(ValueError):
        float(value)
        return value
    return f"'{value}"


def from_csv_cell(cell: str) -> str:
    """The text that `csv_cell` made a cell of."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


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
    if isinstance(source, Mapping) and isinstance(path := source.get("path"), str):
        return display_path(path)
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
