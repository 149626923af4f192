"""`sottovoce predict`: which emotion recordings carry, as a table, as JSON lines or as CSV."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli import _options
from sottovoce.options import GateOptions

if TYPE_CHECKING:
    from sottovoce.cli._sources import Named
    from sottovoce.models.model import Model
    from sottovoce.options import GateOptions
    from sottovoce.results import Prediction

PROGRESS_FROM = 10
"""Fewer recordings than this need no progress bar."""

EXAMPLES = """Examples:

  sottovoce predict interview.wav\n
  sottovoce predict recordings/ --json > answers.jsonl\n
  sottovoce predict "calls/*.mp3" --csv answers.csv --min-confidence 0.6\n
  ffmpeg -i film.mkv -f wav - | sottovoce predict -

Exit status: 0 all could be read, 1 some could not, 2 wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(predict)


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS",
            help="Files, folders (searched to the bottom), patterns in quotes, or - for one "
            "recording on standard input.",
            show_default=False,
        ),
    ],
    model: _options.ModelName = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, as they come.")
    ] = False,
    csv_path: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Write CSV, a column for each emotion."),
    ] = None,
    min_confidence: _options.MinConfidence = None,
    silence_rms: _options.SilenceRms = None,
    speech_threshold: _options.SpeechThreshold = None,
    min_speech: _options.MinSpeech = None,
    min_duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", rich_help_panel=_options.GATE, help="How long a recording must be."
        ),
    ] = None,
    workers: _options.Workers = None,
) -> None:
    """Judge recordings: which emotion the voice carries, how surely, or why none is heard."""
    from rich.console import Console

    from sottovoce.cli import _outputs
    from sottovoce.cli._sources import expand
    from sottovoce.models.registry import load
    from sottovoce.results import Status

    if paths.count("-") > 1:
        raise typer.BadParameter("standard input (-) can be judged once", param_hint="PATHS")
    chosen = {
        "silence_rms": silence_rms,
        "speech_threshold": speech_threshold,
        "min_speech": min_speech,
        "min_duration": min_duration,
    }
    gate = GateOptions(**{name: value for name, value in chosen.items() if value is not None})
    opened = load(model)
    named = list(expand(paths))
    out, err = Console(highlight=False), Console(highlight=False, stderr=True)
    failed = False
    with ExitStack() as stack:
        add = []
        if csv_path is not None:
            add.append(stack.enter_context(_outputs.csv_file(csv_path, opened.labels)))
        if as_json:
            add.append(stack.enter_context(_outputs.json_lines()))
        elif csv_path is None:
            add.append(stack.enter_context(_outputs.table(out, err)))
        answers = _answers(opened, named, gate, min_confidence, workers)
        if len(named) >= PROGRESS_FROM and err.is_terminal and not (as_json and out.is_terminal):
            from rich.progress import track

            answers = iter(track(answers, "Listening", len(named), console=err, transient=True))
        for prediction in answers:
            failed = failed or prediction.status is Status.ERROR
            for take in add:
                take(prediction)
    raise typer.Exit(1 if failed else 0)


def _answers(
    model: "Model",
    named: "list[Named]",
    gate: "GateOptions",
    min_confidence: float | None,
    workers: int | None,
) -> "Iterator[Prediction]":
    """A prediction for each argument in order, those with nothing to judge included."""
    from sottovoce.inference.predictor import source_path
    from sottovoce.results import Prediction, Status

    judged = model.predict_many(
        (one.source() for one in named if not one.problem),
        gate=gate,
        min_confidence=min_confidence,
        workers=workers,
    )
    for one in named:
        if one.problem:
            yield Prediction(
                status=Status.ERROR,
                model=model.card.title,
                source=source_path(one.path),
                message=one.problem,
            )
        else:
            yield next(judged)
