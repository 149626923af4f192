"""One label as its owner wrote it down, before its recording is found and its word is known."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sottovoce.errors import CorpusError

UNLABELLED = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null"})
"""What tables say, in small letters, where there is nothing."""

CLOCK = re.compile(r"(?:(\d+) days? )?(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d*)?)")
"""A time as people, subtitles and pandas write it: "0 days 00:01:02.5", "1:02,5"."""


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """A label, and of what it is.

    Attributes:
        where: it stands, in words: "line 7", "task 12".
        file: name of the recording as written; empty for the one beside the annotations.
        label: as written.
        start: s.
        end: s; None for the end of the recording.
        speaker, sex, split: as written, or empty.
    """

    where: str
    file: str
    label: str
    start: float = 0.0
    end: float | None = None
    speaker: str = ""
    sex: str = ""
    split: str = ""


def is_empty(cell: str) -> bool:
    """Whether a cell says nothing: empty, NA, NaN ..."""
    return cell.lower() in UNLABELLED


def seconds(text: str, rate: float = 1.0) -> float | None:
    """Read a time in s: a number, in units of 1 / `rate` s, or hours, minutes and seconds.

    >>> seconds("3,25"), seconds("8000", 16000), seconds("0 days 00:01:02.500000")
    (3.25, 0.5, 62.5)

    Returns:
        None where the text says nothing.

    Raises:
        ValueError: it is no time, or below 0; with a message for people.
    """
    if is_empty(text) or text.lower() == "nat":
        return None
    try:
        return _not_negative(float(text.replace(",", ".")) / rate, text)
    except ValueError:
        found = CLOCK.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is no time; expected seconds such as 3.25, or 0:03.25"
            ) from None
    days, hours, minutes, rest = (float((part or "0").replace(",", ".")) for part in found.groups())
    return 86_400 * days + 3600 * hours + 60 * minutes + rest


def _not_negative(value: float, text: str) -> float:
    if not 0 <= value < 1e9:
        raise ValueError(text)
    return value


def checked_span(start: float | None, end: float | None, where: str) -> tuple[float, float | None]:
    """Start and end, in order.

    Raises:
        CorpusError: the end is not after the start.
    """
    first = start or 0.0
    if end is not None and end <= first:
        raise CorpusError(
            f"{where}: from {first:g} s to {end:g} s; expected an end after the start"
        )
    return first, end
