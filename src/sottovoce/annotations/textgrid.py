"""TextGrids of the phonetics program Praat, in the long and in the short text format."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sottovoce.annotations.entry import LabelEntry, checked_span
from sottovoce.errors import CorpusError

TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|(?<!\S)(?P<number>[-+]?\d[\d.]*(?:[eE][-+]?\d+)?)(?!\S)|![^\n]*'
)
"""Praat reads texts in quotes and numbers that stand free; all else is for people (its manual,
"TextGrid file formats")."""


def is_textgrid(text: str) -> bool:
    """Whether a text is a TextGrid."""
    head = text[:200]
    return "ooTextFile" in head and "TextGrid" in head


def textgrid_entries(text: str, tier: str, where: str) -> list[LabelEntry]:
    """The intervals with a text of one tier.

    Args:
        text: of the file.
        tier: its name, in any case; it need not be right where there is one tier of intervals.
        where: the file, for messages.

    Raises:
        CorpusError: it is no whole TextGrid, or has no such tier.
    """
    try:
        tiers = _tiers(text)
    except (StopIteration, RuntimeError, ValueError):
        raise CorpusError(
            f"{where}: not a whole TextGrid; save it again as a text file from Praat"
        ) from None
    chosen = [entries for name, entries in tiers if name.casefold() == tier.casefold()]
    if not chosen and len(tiers) == 1:
        chosen = [tiers[0][1]]
    if len(chosen) != 1:
        names = ", ".join(name for name, _ in tiers) or "none"
        raise CorpusError(
            f"{where}: {len(chosen) or 'no'} tiers of intervals called {tier!r}; there are {names};"
            " name one as table.label in the recipe or with --label-column"
        )
    return [
        LabelEntry(entry.where, "", entry.label, *checked_span(entry.start, entry.end, place))
        for entry in chosen[0]
        for place in [f"{where}: {entry.where}"]
    ]


def _tiers(text: str) -> list[tuple[str, list[LabelEntry]]]:
    """Name and intervals of each interval tier."""
    tokens = _tokens(text)
    for expected in ("ooTextFile", "TextGrid"):
        if next(tokens) != expected:
            raise ValueError(expected)
    _number(tokens), _number(tokens)
    tiers = []
    for _ in range(int(_number(tokens))):
        kind, name = next(tokens), str(next(tokens))
        _number(tokens), _number(tokens)
        entries = []
        for number in range(1, int(_number(tokens)) + 1):
            start = _number(tokens)
            end = _number(tokens) if kind == "IntervalTier" else start
            label = " ".join(str(next(tokens)).split())
            if label:
                place = f"interval {number} of the tier {name}"
                entries.append(LabelEntry(place, "", label, start, end))
        if kind == "IntervalTier":
            tiers.append((name, entries))
    return tiers


def _tokens(text: str) -> Iterator[str | float]:
    for found in TOKEN.finditer(text):
        if found["text"] is not None:
            yield found["text"].replace('""', '"')
        elif found["number"] is not None:
            yield float(found["number"])


def _number(tokens: Iterator[str | float]) -> float:
    value = next(tokens)
    if isinstance(value, str):
        raise ValueError(value)
    return value
