"""Emotion over time for people: strips of coloured letters with a time axis, figures, a live view.

What is shown live takes what became final and how loud the newest samples are.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeAlias

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from sottovoce.audio import Samples
from sottovoce.cli._output import BAR, bar, takes_utf
from sottovoce.emotions import colour, letters
from sottovoce.results import Segment, Status, Summary
from sottovoce.text import TIME_STEPS, clock, duration, one_line

ROWS = 6
"""A recording is shown in so many lines at most."""
TICK = 10
"""Columns between two times on the axis."""
WIDTH = 100
"""Columns where there is no terminal."""
QUIETEST = -60.0
"""dB of full scale where the level meter begins."""
DISTORTED = -6.0
"""dB of full scale from which the meter is red: the sound may be distorted."""
METER = 20
"""Columns of the meter."""

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
        seconds = self._end - since
        step = _step(seconds, columns)
        shown = []
        for row in range(max(1, math.ceil(seconds / (step * columns) - 1e-9))):
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
    known = letters(labels)
    width = max(len(one_line(label)) for label in labels)
    judged = summary.duration * summary.statuses.get(Status.OK, 0.0)
    lines = []
    for label, share in sorted(summary.shares.items(), key=lambda item: -item[1]):
        if share:
            shade = colour(label, labels)
            lines.append(
                Text.assemble(
                    (known[label], f"bold black on {shade}"),
                    f" {one_line(label).ljust(width)} {share:4.0%} ",
                    (bar(share, 2 * BAR, utf), shade),
                    f" {duration(share * judged)}",
                )
            )
    if summary.longest is None:
        lines.append(Text(f"In {duration(summary.duration)} no emotion stands out."))
        return lines
    longest = summary.longest
    times = "change" if summary.changes == 1 else "changes"
    lines.append(
        Text(
            f"{duration(judged)} judged of {duration(summary.duration)}; {summary.changes} {times};"
            f" longest: {one_line(longest.emotion)}, {duration(longest.duration)} from "
            f"{clock(longest.start)}."
        )
    )
    shares = (
        (summary.statuses.get(status, 0.0), status)
        for status in (Status.UNCERTAIN, Status.NO_SPEECH, Status.SILENCE)
    )
    rest = ", ".join(
        f"{share:.0%} {status.words.counted}" for share, status in shares if share >= 0.005
    )
    return lines + ([Text(f"Of the whole: {rest}.")] if rest else [])


def show_timeline(
    console: Console,
    strip: Strip,
    labels: Sequence[str],
    summary: Callable[[int | None], Summary],
) -> None:
    """Print a strip, its legend, and the figures of each channel."""
    if not console.is_terminal:
        console.width = WIDTH
    if not strip.channels:
        console.print("There was nothing to hear.")
        return
    utf = takes_utf(console)
    for line in strip.lines(console.width, utf):
        console.print(line, no_wrap=True, overflow="crop")
    console.print()
    console.print(strip.legend())
    for channel in strip.channels:
        console.print()
        if channel is not None:
            console.print(f"channel {channel}", style="bold")
        for line in figures(summary(channel), labels, utf):
            console.print(line)


@contextmanager
def timeline_view(
    console: Console, labels: Sequence[str], summary: Callable[[int | None], Summary]
) -> Iterator[Callable[[Segment], None]]:
    """The strip with its legend and the figures of each channel on `console`, in the end."""
    strip = Strip(labels)
    try:
        yield strip.add
    finally:
        show_timeline(console, strip, labels, summary)


class LiveView(Protocol):
    """Shows what became final, and how loud the newest samples are."""

    def __call__(self, segments: list[Segment], samples: Samples | None) -> None: ...


@contextmanager
def live_json() -> Iterator[LiveView]:
    """One JSON object a segment on stdout."""

    def show(segments: list[Segment], samples: Samples | None) -> None:
        for segment in segments:
            print(segment.to_json(), flush=True)

    yield show


@contextmanager
def live_lines(console: Console) -> Iterator[LiveView]:
    """A line a segment, where there is no terminal to draw in."""

    def show(segments: list[Segment], samples: Samples | None) -> None:
        for segment in segments:
            console.print(Text(f"{clock(segment.start)} ") + _words(segment))

    yield show


@contextmanager
def live_screen(
    console: Console, strip: Strip, labels: Sequence[str], name: str
) -> Iterator[LiveView]:
    """A part of the terminal that is drawn again and again; it goes away in the end."""
    utf = takes_utf(console)
    newest: dict[int | None, Segment] = {}
    level, heading = QUIETEST, Text(f"Listening to {name}; Ctrl-C ends it.", "dim")
    with Live(console=console, refresh_per_second=10, transient=True) as live:

        def show(segments: list[Segment], samples: Samples | None) -> None:
            nonlocal level
            newest.update((segment.channel, segment) for segment in segments)
            if samples is not None:
                level = max(decibels(samples), level - 3)
            parts: list[RenderableType] = [heading, meter(level, utf)]
            for segment in newest.values():
                line = _words(segment)
                if segment.emotion is not None and segment.confidence is not None:
                    line.append(f" {bar(segment.confidence, BAR, utf)}")
                    line.stylize(colour(segment.emotion, labels), len(_channel(segment)))
                parts.append(line)
            if newest:
                kept = console.width // TICK * TICK - 2 * TICK
                since = max(0, math.ceil((strip.end - kept) / TICK) * TICK)
                parts += [Text(), *strip.lines(console.width, utf, since), strip.legend()]
            live.update(Group(*parts))

        yield show


def decibels(samples: Samples) -> float:
    """RMS of samples, in dB of full scale."""
    power = float((samples**2).mean()) if samples.size else 0.0
    return max(QUIETEST, 10 * math.log10(power)) if power else QUIETEST


def meter(level: float, utf: bool) -> Text:
    """A bar from -60 dB to full scale; its end is red where the sound may be distorted."""
    cells = bar(1 - level / QUIETEST, METER, utf)
    loud = round(METER * (1 - DISTORTED / QUIETEST))
    text = Text("level ") + Text(cells[:loud], "green") + Text(cells[loud:], "red")
    return text + Text(f" {level:.0f} dB" if level > QUIETEST else " no sound")


def _channel(segment: Segment) -> str:
    return "" if segment.channel is None else f"channel {segment.channel}: "


def _words(segment: Segment) -> Text:
    """The channel, the emotion and how sure it is, or why there is none."""
    words = one_line(segment.words)
    if segment.confidence is None:
        return Text(_channel(segment)) + Text(words, "dim")
    return Text(f"{_channel(segment)}{words} {segment.confidence:.0%}")


def _step(seconds: float, columns: int) -> float:
    """S that a column stands for: finer than a second only where one line is enough."""
    for step in TIME_STEPS:
        if seconds <= step * columns * (ROWS if step >= 1 else 1):
            return step
    return seconds / (columns * ROWS)


def _axis(start: float, step: float, count: int) -> str:
    ticks = (f"|{clock(start + place * step)}".ljust(TICK) for place in range(0, count, TICK))
    return "".join(ticks).rstrip()
