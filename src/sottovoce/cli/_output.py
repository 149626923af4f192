"""Where results go: JSON lines, and a table of predictions for people.

Each is a context manager giving the function that takes the next result; leaving it, even after an
interruption, finishes what was begun. Files are in `sottovoce.export`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sottovoce.results import STATUS_WORDS, Prediction, Result, Status
from sottovoce.text import display_path, duration

BAR = 10
"""Cells of the bar beside a confidence."""

STYLES = {Status.OK: "bold green", Status.UNCERTAIN: "yellow", Status.ERROR: "red"}
"""Of a status in the table; the others are dim."""


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
    """A table on `console` once all are there, or as many as came; what failed on `errors`.

    Where `console` is no terminal, no line is ever broken or cut, however long.
    """
    predictions: list[Prediction] = []
    try:
        yield predictions.append
    finally:
        if predictions:
            _print(predictions, console)
            for prediction in predictions:
                if note := _note(prediction):
                    errors.print(Text(f"sottovoce: {note}"), soft_wrap=True)


def _note(prediction: Prediction) -> str:
    """What is to be said of a prediction beside the table, if anything."""
    from sottovoce.inference.recording import long_recording_advice

    if prediction.status is Status.ERROR:
        return prediction.message
    advice = long_recording_advice(prediction.duration or 0)
    if not prediction.message.endswith(advice):
        return ""
    return f"{display_path(prediction.source or 'the recording')}: {advice}"


def _print(predictions: Sequence[Prediction], console: Console) -> None:
    if not console.is_terminal:
        console.width = 1_000_000
    shown = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    shown.add_column("recording", overflow="fold", min_width=12)
    columns = [column for column in COLUMNS if console.width >= column.from_width]
    for column in columns:
        shown.add_column(column.heading, no_wrap=True, justify=column.justify)
    utf = takes_utf(console)
    for prediction in predictions:
        path = Text(display_path(prediction.source or ""))
        if prediction.channel is not None:
            path.append(f", channel {prediction.channel}")
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


def _emotion(prediction: Prediction, utf: bool) -> Text:
    return Text(prediction.words, STYLES.get(prediction.status, "dim"))


def _confidence(prediction: Prediction, utf: bool) -> Text:
    return Text("" if prediction.confidence is None else f"{prediction.confidence:.0%}")


def _bar(prediction: Prediction, utf: bool) -> Text:
    return Text("" if prediction.confidence is None else bar(prediction.confidence, BAR, utf))


def _runner_up(prediction: Prediction, utf: bool) -> Text:
    label = prediction.runner_up
    return Text("" if label is None else f"{label} {prediction.probabilities[label]:.0%}")


def _duration(prediction: Prediction, utf: bool) -> Text:
    return Text("" if prediction.duration is None else duration(prediction.duration))


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
