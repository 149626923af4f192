"""Emotion over time in a terminal: strips of coloured letters with a time axis, and the figures."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.columns import Columns
from rich.console import Group
from rich.text import Text

from sottovoce.cli._outputs import BAR, _length
from sottovoce.emotions import colour, letters
from sottovoce.results import Segment, Status, Summary
from sottovoce.text import clock, one_line

STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""s that one column may stand for."""
ROWS = 6
"""A recording is shown in so many lines at most."""
TICK = 10
"""Columns between two times on the axis."""


_Span: TypeAlias = tuple[float, float, str | None, bool]
"""Start, end, emotion, and whether it is sure."""


class Strip:
    """What becomes a strip: the segments, without their probabilities."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._letters = letters(labels)
        self._channels: dict[int | None, list[_Span]] = {}
        self._end = 0.0

    def add(self, segment: Segment) -> None:
        """Keep the next segment of its channel."""
        sure = segment.status is Status.OK
        kept = self._channels.setdefault(segment.channel, [])
        goes_on = bool(kept) and kept[-1][2:] == (segment.emotion, sure)
        start = kept.pop()[0] if goes_on else segment.start
        kept.append((start, segment.end, segment.emotion, sure))
        self._end = max(self._end, segment.end)

    def extend(self, segments: Iterable[Segment]) -> None:
        """Keep several."""
        for segment in segments:
            self.add(segment)

    @property
    def channels(self) -> list[int | None]:
        """Those of which something was kept, in order."""
        return sorted(self._channels, key=lambda channel: channel or 0)

    @property
    def end(self) -> float:
        """How far it goes, s."""
        return self._end

    def lines(self, width: int, utf: bool, since: float = 0.0) -> list[Text]:
        """The strip from a time on, with a time axis under each line, at most `width` wide."""
        margin = 0 if None in self._channels else 3
        columns = max(TICK, (width - margin) // TICK * TICK)
        duration = self._end - since
        step = _step(duration, columns)
        shown = []
        for row in range(max(1, math.ceil(duration / (step * columns) - 1e-9))):
            start = since + row * step * columns
            count = min(columns, math.ceil((self._end - start) / step - 1e-9))
            for channel in self.channels:
                spans = self._channels[channel]
                name = "" if channel is None else f"{channel}".rjust(margin - 1) + " "
                shown.append(
                    Text.assemble((name, "bold"), self._row(spans, start, step, count, utf))
                )
            shown.append(Text(" " * margin + _axis(start, step, count), "dim"))
        return shown

    def _row(self, spans: list[_Span], start: float, step: float, count: int, utf: bool) -> Text:
        """What lasts longest in each column."""
        row = Text()
        first = bisect.bisect_right(spans, start, key=lambda span: span[1])
        for column in range(count):
            begin, end = start + column * step, start + (column + 1) * step
            lasted: dict[tuple[str | None, bool], float] = {}
            for here, until, emotion, sure in itertools.islice(spans, first, None):
                if here >= end:
                    break
                seconds = min(until, end) - max(here, begin)
                lasted[emotion, sure] = lasted.get((emotion, sure), 0.0) + seconds
                first += until <= end
            row.append(
                *self._cell(*max(lasted, key=lasted.__getitem__, default=(None, False)), utf)
            )
        return row

    def _cell(self, emotion: str | None, sure: bool, utf: bool) -> tuple[str, str]:
        """A character and its style."""
        if emotion is None:
            return "·" if utf else ".", "dim"
        shade = colour(emotion, self._labels)
        letter = self._letters[emotion]
        return (letter, f"bold black on {shade}") if sure else (letter.lower(), shade)

    def legend(self) -> Group:
        """Which letter is what."""
        parts = [
            Text.assemble(self._cell(label, True, True), f" {one_line(label)}")
            for label in self._labels
        ]
        spans = itertools.chain.from_iterable(self._channels.values())
        unsure = any(emotion is not None and not sure for _, _, emotion, sure in spans)
        more = [Text("small letter: uncertain")] if unsure else []
        return Group(Columns(parts, padding=(0, 3)), *more)


def figures(summary: Summary, labels: Sequence[str], utf: bool) -> list[Text]:
    """The summary in words: shares with bars, the largest first, and the rest in a sentence."""
    full, empty = "█░" if utf else "#."
    known = letters(labels)
    width = max(len(one_line(label)) for label in labels)
    judged = summary.duration * summary.statuses.get(Status.OK, 0.0)
    lines = []
    for label, share in sorted(summary.shares.items(), key=lambda one: -one[1]):
        if not share:
            continue
        filled = round(share * 2 * BAR)
        shade = colour(label, labels)
        lines.append(
            Text.assemble(
                (known[label], f"bold black on {shade}"),
                f" {one_line(label).ljust(width)} {share:4.0%} ",
                (full * filled + empty * (2 * BAR - filled), shade),
                f" {_length(share * judged)}",
            )
        )
    if summary.longest is None:
        lines.append(Text(f"In {_length(summary.duration)} no emotion stands out."))
        return lines
    longest = summary.longest
    times = "change" if summary.changes == 1 else "changes"
    lines.append(
        Text(
            f"{_length(judged)} judged of {_length(summary.duration)}; {summary.changes} {times}; "
            f"longest: {one_line(longest.emotion)}, {_length(longest.duration)} from "
            f"{clock(longest.start)}."
        )
    )
    others = {
        "uncertain": summary.statuses.get(Status.UNCERTAIN, 0.0),
        "without speech": summary.statuses.get(Status.NO_SPEECH, 0.0),
        "silent": summary.statuses.get(Status.SILENCE, 0.0),
    }
    said = ", ".join(f"{share:.0%} {one}" for one, share in others.items() if share >= 0.005)
    return lines + ([Text(f"Of the whole: {said}.")] if said else [])


def _step(duration: float, columns: int) -> float:
    """S a column: finer than a second only where one line is enough."""
    for step in STEPS:
        if duration <= step * columns * (ROWS if step >= 1 else 1):
            return step
    return duration / (columns * ROWS)


def _axis(start: float, step: float, count: int) -> str:
    ticks = (f"|{clock(start + place * step)}".ljust(TICK) for place in range(0, count, TICK))
    return "".join(ticks).rstrip()
