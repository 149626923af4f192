"""Where the segments of a timeline go; each is a context manager giving a function that takes them.

Files are opened at once, so that one that cannot be written is known before an hour is heard, and
what came is in them even after an interruption.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from sottovoce.cli._plot import Plot
from sottovoce.cli._timeline_view import Strip, figures
from sottovoce.errors import SottovoceError
from sottovoce.export import formats
from sottovoce.inference.segments import SegmentMerger
from sottovoce.results import Segment, Summary
from sottovoce.text import display_path, one_line

Add = Callable[[Segment], None]

SUBTITLES = {".vtt": formats.webvtt, ".srt": formats.subrip}

NOT_TERMINAL = 100
"""Columns of a strip that is not shown in a terminal."""


@contextmanager
def json_lines() -> Iterator[Add]:
    """One JSON object a line on stdout, written at once."""
    yield lambda segment: print(segment.to_json(), flush=True)


@contextmanager
def csv_file(path: str, labels: Sequence[str]) -> Iterator[Add]:
    """A CSV file with a column for each label, a row a segment, written at once."""
    columns = ["start", "end", "channel", "status", "emotion", "confidence", *labels]
    with _opened(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()

        def add(segment: Segment) -> None:
            row = segment.to_dict()
            writer.writerow(row | row.pop("probabilities"))
            file.flush()

        yield add


def subtitles(path: str) -> Any:
    """A file of subtitles, of the kind that its name says."""
    kind = SUBTITLES.get(Path(path).suffix.lower())
    if kind is None:
        raise SottovoceError(f"{display_path(path)}: no subtitles; expected {', '.join(SUBTITLES)}")
    return text_file(path, kind)


@contextmanager
def text_file(path: str, write: Callable[[list[Segment]], str]) -> Iterator[Add]:
    """A file of text in one of the `sottovoce.export.formats`, written in the end."""
    joiner, ended = SegmentMerger(), list[Segment]()
    with _opened(path, "w", encoding="utf-8", newline="\n") as file:
        try:
            yield lambda segment: ended.extend(joiner.add(segment))
        finally:
            file.write(write(ended + joiner.unfinished()))


@contextmanager
def picture(path: str, labels: Sequence[str], title: str) -> Iterator[Add]:
    """A picture, drawn in the end."""
    plot = Plot(path, labels, title)
    with _opened(path, "wb") as file:
        try:
            yield plot.add
        finally:
            plot.write(file)


@contextmanager
def strip(
    console: Console, labels: Sequence[str], summary: Callable[[int | None], Summary]
) -> Iterator[Add]:
    """The strip with its legend and the figures of each channel on `console`, in the end."""
    shown = Strip(labels)
    try:
        yield shown.add
    finally:
        show(console, shown, labels, summary)


def show(
    console: Console,
    strip: Strip,
    labels: Sequence[str],
    summary: Callable[[int | None], Summary],
) -> None:
    """Print a strip, its legend, and the figures of each channel."""
    if not console.is_terminal:
        console.width = NOT_TERMINAL
    if not strip.channels:
        console.print("There was nothing to hear.")
        return
    utf = console.encoding.startswith("utf")
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
def _opened(path: str, mode: str, **how: Any) -> Iterator[IO[Any]]:
    try:
        file = Path(path).open(mode, **how)  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        raise SottovoceError(
            f"{display_path(path)}: cannot be written ({one_line(error)}); choose another file"
        ) from None
    with file:
        yield file
