"""What `sottovoce listen` shows while it listens: a level meter, the emotion, the last minute."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from sottovoce.audio import Samples
from sottovoce.cli._outputs import BAR
from sottovoce.cli._timeline_view import TICK, Strip
from sottovoce.emotions import colour
from sottovoce.results import Segment, Status
from sottovoce.text import clock, one_line

QUIETEST = -60.0
"""dB of full scale where the meter begins."""
METER = 20
"""Its columns."""
SAID = {
    Status.SILENCE: "silence",
    Status.NO_SPEECH: "we hear no speech",
    Status.TOO_SHORT: "too short to judge",
    Status.ERROR: "the model's answer is not a number",
}


class Show(Protocol):
    """Shows what became final, and how loud the newest samples are."""

    def __call__(self, segments: list[Segment], samples: Samples | None) -> None: ...


@contextmanager
def json_lines() -> Iterator[Show]:
    """One JSON object a segment on stdout."""

    def show(segments: list[Segment], samples: Samples | None) -> None:
        for segment in segments:
            print(segment.to_json(), flush=True)

    yield show


@contextmanager
def lines(console: Console) -> Iterator[Show]:
    """A line a segment, where there is no terminal to draw in."""

    def show(segments: list[Segment], samples: Samples | None) -> None:
        for segment in segments:
            channel = "" if segment.channel is None else f"channel {segment.channel}: "
            console.print(Text(f"{clock(segment.start)} {channel}") + _words(segment, ()))

    yield show


@contextmanager
def screen(console: Console, strip: Strip, labels: Sequence[str], name: str) -> Iterator[Show]:
    """A part of the terminal that is drawn again and again; it goes away in the end."""
    utf = console.encoding.startswith("utf")
    newest: dict[int | None, Segment] = {}
    level, heading = QUIETEST, Text(f"Listening to {name}; Ctrl-C ends it.", "dim")
    with Live(console=console, refresh_per_second=10, transient=True) as live:

        def show(segments: list[Segment], samples: Samples | None) -> None:
            nonlocal level
            newest.update((one.channel, one) for one in segments)
            if samples is not None:
                level = max(decibels(samples), level - 3)
            parts: list[RenderableType] = [heading, meter(level, utf)]
            for channel, segment in newest.items():
                said = Text("" if channel is None else f"channel {channel}: ")
                parts.append(said + _words(segment, labels, utf))
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
    full, empty = "█░" if utf else "#."
    filled = round(METER * (1 - level / QUIETEST))
    loud = round(METER * (1 - -6 / QUIETEST))
    bar = full * filled + empty * (METER - filled)
    text = Text("level ") + Text(bar[:loud], "green") + Text(bar[loud:], "red")
    return text + Text(f" {level:.0f} dB" if level > QUIETEST else " no sound")


def _words(segment: Segment, labels: Sequence[str], utf: bool = True) -> Text:
    """What is said of a segment, with a bar where colours are asked for."""
    if segment.emotion is None or segment.confidence is None:
        return Text(SAID[segment.status], "dim")
    perhaps = "perhaps " if segment.status is Status.UNCERTAIN else ""
    words = Text(f"{perhaps}{one_line(segment.emotion)} {segment.confidence:.0%}")
    if not labels:
        return words
    full, empty = "█░" if utf else "#."
    filled = round(segment.confidence * BAR)
    bar = Text(" " + full * filled + empty * (BAR - filled))
    return Text.assemble(words, bar, style=colour(segment.emotion, labels))
