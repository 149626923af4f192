"""Where results go: the console, JSON lines, and a table of predictions for people.

The last two are context managers giving the function that takes the next result; leaving one, even
after an interruption, finishes what was begun. Files are in `sottovoce.export`.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple, TextIO, cast

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.control import Control
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from sottovoce.emotions import colour
from sottovoce.results import STATUS_WORDS, Prediction, Result, Status
from sottovoce.text import display_path, duration, printable

BAR = 10
"""Cells of the bar beside a confidence."""

UNLIMITED = 1_000_000
"""Columns where there is no terminal: no line is broken or cut."""


class _Trimmed:
    """A stream that takes the spaces off the ends of lines; tables are filled up with them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r"[ ]+(?=\n)", "", text))

    def flush(self) -> None:
        self._stream.flush()


def new_console(*, stderr: bool = False, markup: bool = True) -> Console:
    """A console on stdout or stderr; where that is no terminal, lines are not broken or filled up.

    Args:
        stderr: rather than stdout.
        markup: whether "[...]" and ":...:" in a plain string mean something to Rich.
    """
    console = Console(highlight=False, stderr=stderr, markup=markup, emoji=markup)
    if not console.is_terminal:
        stream = cast(TextIO, _Trimmed(sys.stderr if stderr else sys.stdout))
        console = Console(
            highlight=False, file=stream, markup=markup, emoji=markup, width=UNLIMITED
        )
    console.push_render_hook(_Printable())
    return console


class _Printable(RenderHook):
    """Has control characters in what is printed spelled out: texts of files may hold some."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [one if isinstance(one, Control) else _Spelled(one) for one in renderables]


class _Spelled:
    def __init__(self, shown: ConsoleRenderable) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, style, control in console.render(self._shown, options):
            yield Segment(text if control else printable(text), style, control)


class BrokenPath:
    """A path as a cell of a table: it breaks after its separators, and elsewhere only if it must.

    Args:
        path: any text, as `display_path` gives it.
    """

    def __init__(self, path: str) -> None:
        self._parts = re.findall(r"[^/\\]*[/\\]+|[^/\\]+$", path)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widths = [cell_len(part) for part in self._parts] or [0]
        return Measurement(max(widths), sum(widths)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = [""]
        for part in self._parts:
            if lines[-1] and cell_len(lines[-1] + part) > options.max_width:
                lines.append("")
            lines[-1] += part
        yield Text("\n".join(lines), overflow="fold")


@contextmanager
def json_lines() -> Iterator[Callable[[Result], None]]:
    """One JSON object a line on stdout, written at once."""
    yield lambda result: print(result.to_json(), flush=True)


def takes_utf(console: Console) -> bool:
    """Whether more than ASCII can be shown."""
    return console.encoding.startswith("utf")


def bar(fraction: float, cells: int, utf: bool) -> str:
    """A bar, filled from the left.

    >>> bar(0.5, 4, utf=False)
    '##..'
    """
    full, empty = "█░" if utf else "#."
    filled = round(fraction * cells)
    return full * filled + empty * (cells - filled)


@contextmanager
def table(console: Console, errors: Console) -> Iterator[Callable[[Prediction], None]]:
    """A table on `console` once all are there, or as many as came; what failed on `errors`."""
    predictions: list[Prediction] = []
    try:
        yield predictions.append
    finally:
        if predictions:
            _print(predictions, console)
            for prediction in predictions:
                if note := _advice(prediction):
                    errors.print(Text(f"sottovoce: {note}"), soft_wrap=True)


def _advice(prediction: Prediction) -> str:
    """What is to be said of a prediction beside the table, if anything."""
    from sottovoce.inference.recording import long_recording_advice

    if prediction.status is Status.ERROR:
        return prediction.message
    advice = long_recording_advice(prediction.duration or 0)
    if not prediction.message.endswith(advice):
        return ""
    return f"{display_path(prediction.source or 'the recording')}: {advice}"


def empty_table(console: Console) -> Table:
    """An empty table, with a line under its head where `console` is a terminal."""
    return Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)


def _print(predictions: Sequence[Prediction], console: Console) -> None:
    shown = empty_table(console)
    shown.add_column("recording", min_width=12)
    columns = [column for column in COLUMNS if console.width >= column.from_width]
    for column in columns:
        shown.add_column(column.heading, no_wrap=True, justify=column.justify)
    if any(prediction.warnings for prediction in predictions):
        columns.append(NOTES)
        shown.add_column(NOTES.heading, overflow="fold", min_width=12)
    utf = takes_utf(console)
    for prediction in predictions:
        channel = "" if prediction.channel is None else f", channel {prediction.channel}"
        path = BrokenPath(display_path(prediction.source or "") + channel)
        shown.add_row(path, *(column.cell(prediction, utf) for column in columns))
    console.print(shown)
    counts = Counter(prediction.status for prediction in predictions)
    parts = ", ".join(
        f"{counts[status]} {words.counted}"
        for status, words in STATUS_WORDS.items()
        if counts[status]
    )
    split = any(prediction.channel is not None for prediction in predictions)
    noun = ("channel" if split else "recording") + "s" * (len(predictions) != 1)
    console.print(Text(f"\n{len(predictions)} {noun}: {parts}. Model: {predictions[0].model}."))


def _style(prediction: Prediction) -> str:
    """The emotion's colour, bold where it is sure."""
    if prediction.emotion is None:
        return "red" if prediction.status is Status.ERROR else "dim"
    shade = colour(prediction.emotion, list(prediction.probabilities))
    return f"bold {shade}" if prediction.status is Status.OK else shade


def _emotion(prediction: Prediction, utf: bool) -> Text:
    return Text(prediction.words, _style(prediction))


def _confidence(prediction: Prediction, utf: bool) -> Text:
    return Text("" if prediction.confidence is None else f"{prediction.confidence:.0%}")


def _bar(prediction: Prediction, utf: bool) -> Text:
    if prediction.confidence is None:
        return Text()
    return Text(bar(prediction.confidence, BAR, utf), _style(prediction))


def _runner_up(prediction: Prediction, utf: bool) -> Text:
    label = prediction.runner_up
    return Text("" if label is None else f"{label} {prediction.probabilities[label]:.0%}")


def _duration(prediction: Prediction, utf: bool) -> Text:
    return Text("" if prediction.duration is None else duration(prediction.duration))


def _note(prediction: Prediction, utf: bool) -> Text:
    return Text(prediction.warning_words, "yellow")


class _Column(NamedTuple):
    heading: str
    cell: Callable[[Prediction, bool], Text]
    """What stands there; the second argument says whether the output takes more than ASCII."""
    from_width: int = 0
    """Left out on a narrower terminal, so that the paths keep their room."""
    justify: Literal["left", "right"] = "left"


COLUMNS = (
    _Column("emotion", _emotion),
    _Column("sure", _confidence, justify="right"),
    _Column("", _bar, from_width=70),
    _Column("or else", _runner_up, from_width=90),
    _Column("length", _duration, justify="right"),
)
NOTES = _Column("but", _note)
"""Beside them where there is a warning."""
