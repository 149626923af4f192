"""Where predictions go: a table for people, JSON lines, a CSV file; each takes them as they come.

Each is a context manager giving the function that takes the next prediction; leaving it, even after
an interruption, finishes what was begun.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from undertone.display import display_path, one_line
from undertone.errors import UndertoneError
from undertone.gate import Status
from undertone.prediction import Prediction

Add = Callable[[Prediction], None]

BAR = 10
"""Cells of the bar beside a confidence."""

WORDS = {
    Status.OK: "judged",
    Status.UNCERTAIN: "uncertain",
    Status.SILENCE: "silent",
    Status.NO_SPEECH: "without speech",
    Status.TOO_SHORT: "too short",
    Status.ERROR: "could not be read",
}
"""How many recordings were what, in words, after the number."""


@contextmanager
def json_lines() -> Iterator[Add]:
    """One JSON object a line on stdout, written at once."""
    yield lambda prediction: print(prediction.to_json(), flush=True)


@contextmanager
def csv_file(path: str, labels: Sequence[str]) -> Iterator[Add]:
    """A CSV file with a column for each label, a row written at once.

    Raises:
        UndertoneError: the file cannot be written.
    """
    columns = ["path", "status", "emotion", "confidence", *labels, "duration", "model", "message"]
    try:
        file = Path(path).open("w", newline="", encoding="utf-8")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        raise UndertoneError(
            f"{display_path(path)}: cannot be written ({one_line(error)}); choose another file"
        ) from None
    with file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        file.flush()

        def add(prediction: Prediction) -> None:
            row = prediction.to_dict()
            writer.writerow(row | row.pop("probabilities"))
            file.flush()

        yield add


@contextmanager
def table(console: Console, errors: Console) -> Iterator[Add]:
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
                if prediction.status is Status.ERROR:
                    errors.print(Text(f"undertone: {prediction.message}"), soft_wrap=True)


def _print(predictions: Sequence[Prediction], console: Console) -> None:
    if not console.is_terminal:
        console.width = 1_000_000
    full, empty = "█░" if console.encoding.startswith("utf") else "#."
    shown = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    shown.add_column("recording", overflow="fold")
    shown.add_column("emotion", no_wrap=True)
    shown.add_column("confidence", no_wrap=True)
    shown.add_column("or else", no_wrap=True)
    shown.add_column("length", no_wrap=True, justify="right")
    for prediction in predictions:
        confidence, runner_up = "", prediction.runner_up or ""
        if prediction.confidence is not None:
            filled = round(prediction.confidence * BAR)
            confidence = f"{full * filled}{empty * (BAR - filled)} {prediction.confidence:4.0%}"
            runner_up += f" {prediction.probabilities[runner_up]:.0%}"
        shown.add_row(
            Text(display_path(prediction.source or "")),
            _heard(prediction),
            confidence,
            runner_up,
            "" if prediction.duration is None else _length(prediction.duration),
        )
    console.print(shown)
    counts = Counter(prediction.status for prediction in predictions)
    said = ", ".join(f"{counts[one]} {words}" for one, words in WORDS.items() if counts[one])
    many = "recording" if len(predictions) == 1 else "recordings"
    console.print(Text(f"\n{len(predictions)} {many}: {said}. Model: {predictions[0].model}."))


def _heard(prediction: Prediction) -> Text:
    match prediction.status:
        case Status.OK:
            return Text(str(prediction.emotion), "bold green")
        case Status.UNCERTAIN:
            return Text(f"uncertain ({prediction.emotion}?)", "yellow")
        case Status.ERROR:
            return Text("could not be read", "red")
        case _:
            return Text(prediction.message, "dim")


def _length(seconds: float) -> str:
    """A duration for people: 3.2 s, 4:05, 1:02:07."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
