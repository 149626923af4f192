"""Where predictions go: a table for people, JSON lines, a CSV file; each takes them as they come.

Each is a context manager giving the function that takes the next prediction; leaving it, even after
an interruption, finishes what was begun.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sottovoce.errors import SottovoceError
from sottovoce.results import Prediction, Status
from sottovoce.text import display_path, one_line

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
        SottovoceError: the file cannot be written.
    """
    columns = ["path", "status", "emotion", "confidence", *labels, "duration", "model", "message"]
    try:
        file = Path(path).open("w", newline="", encoding="utf-8")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        raise SottovoceError(
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
                    errors.print(Text(f"sottovoce: {prediction.message}"), soft_wrap=True)


def _print(predictions: Sequence[Prediction], console: Console) -> None:
    if not console.is_terminal:
        console.width = 1_000_000
    shown = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    shown.add_column("recording", overflow="fold", min_width=12)
    columns = [column for column in COLUMNS if console.width >= column.from_width]
    for column in columns:
        shown.add_column(column.heading, no_wrap=True, justify=column.justify)
    utf = console.encoding.startswith("utf")
    for prediction in predictions:
        path = Text(display_path(prediction.source or ""))
        shown.add_row(path, *(column.cell(prediction, utf) for column in columns))
    console.print(shown)
    counts = Counter(prediction.status for prediction in predictions)
    said = ", ".join(f"{counts[one]} {words}" for one, words in WORDS.items() if counts[one])
    many = "recording" if len(predictions) == 1 else "recordings"
    console.print(Text(f"\n{len(predictions)} {many}: {said}. Model: {predictions[0].model}."))


def _heard(prediction: Prediction, utf: bool) -> Text:
    match prediction.status:
        case Status.OK:
            return Text(str(prediction.emotion), "bold green")
        case Status.UNCERTAIN:
            return Text(f"perhaps {prediction.emotion}", "yellow")
        case Status.ERROR:
            return Text("could not be read", "red")
        case Status.SILENCE:
            return Text("silence", "dim")
        case Status.NO_SPEECH:
            return Text("we hear no speech", "dim")
        case Status.TOO_SHORT:
            return Text("too short to judge", "dim")


def _bar(prediction: Prediction, utf: bool) -> Text:
    full, empty = "█░" if utf else "#."
    filled = round((prediction.confidence or 0) * BAR)
    return Text("" if prediction.confidence is None else full * filled + empty * (BAR - filled))


def _confidence(prediction: Prediction, utf: bool) -> Text:
    return Text("" if prediction.confidence is None else f"{prediction.confidence:.0%}")


def _runner_up(prediction: Prediction, utf: bool) -> Text:
    label = prediction.runner_up
    return Text("" if label is None else f"{label} {prediction.probabilities[label]:.0%}")


def _duration(prediction: Prediction, utf: bool) -> Text:
    return Text("" if prediction.duration is None else _length(prediction.duration))


def _length(seconds: float) -> str:
    """A duration for people: 3.2 s, 4:05, 1:02:07."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Column(NamedTuple):
    heading: str
    cell: Callable[[Prediction, bool], Text]
    """What stands there; the second argument says whether the output takes more than ASCII."""
    from_width: int = 0
    """Left out on a narrower terminal, so that the paths keep their room."""
    justify: Literal["left", "right"] = "left"


COLUMNS = (
    _Column("emotion", _heard),
    _Column("sure", _confidence, justify="right"),
    _Column("", _bar, from_width=70),
    _Column("or else", _runner_up, from_width=90),
    _Column("length", _duration, justify="right"),
)
