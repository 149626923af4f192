"""`sottovoce predict`: which emotion recordings carry, as a table, as JSON lines or as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sottovoce.cli import _options, say
from sottovoce.options import PredictOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from sottovoce.cli._sources import RecordingArgument
    from sottovoce.inference.profile import ProfileSource
    from sottovoce.results import Prediction

EXAMPLES = """Examples:

  sottovoce predict interview.wav\n
  sottovoce predict recordings/ --json > answers.jsonl\n
  sottovoce predict "calls/*.mp3" --csv answers.csv --min-confidence 0.6\n
  sottovoce predict call.wav --channels split\n
  sottovoce predict call.wav --model b-cnn --model b-gru\n
  sottovoce predict interviews/anna --same person

  ffmpeg -i film.mkv -f wav - | sottovoce predict -

Exit status: 0 all could be read, 1 some could not, 2 wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(predict)


@_options.takes_options(options=PredictOptions)
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS",
            help="Files, folders (searched to the bottom), patterns in quotes, addresses "
            "(https://...), or - for one recording on standard input.",
            show_default=False,
        ),
    ],
    model: _options.ModelNames = None,
    as_json: _options.Json = False,
    csv: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write CSV, a column for each emotion.")
    ] = None,
    raw_csv: _options.RawCsv = False,
    profile: _options.ProfileFile = None,
    same: Annotated[
        Literal["person", "place"] | None,
        typer.Option(
            help="All recordings are of one person, or from one place: judge each against all of "
            "them (a mixed profile, which is not kept).",
            show_default=False,
        ),
    ] = None,
    *,
    options: PredictOptions,
    workers: _options.Workers = None,
) -> None:
    """Judge recordings: which emotion the voice carries, how surely, or why none is heard."""
    from sottovoce.cli._output import json_lines, new_console, table
    from sottovoce.cli._progress import progress, tracked
    from sottovoce.cli._sources import expand
    from sottovoce.export.csv import csv_file
    from sottovoce.models.registry import load
    from sottovoce.results import Prediction, Status

    if same and profile is not None:
        raise typer.BadParameter("give --profile or --same, not both", param_hint="--same")
    if same and "-" in paths:
        raise typer.BadParameter(
            "standard input (-) can be read once, and is needed twice", param_hint="--same"
        )
    if paths.count("-") > 1:
        raise typer.BadParameter("standard input (-) can be judged once", param_hint="PATHS")
    opened = load(model)
    recordings = list(expand(paths))
    out, err = new_console(), new_console(stderr=True)
    failed = False
    with ExitStack() as stack:
        outputs: list[Callable[[Prediction], None]] = []
        if csv is not None:
            columns = Prediction.columns(opened.labels)
            outputs.append(stack.enter_context(csv_file(csv, columns, raw_csv)))
        if as_json:
            outputs.append(stack.enter_context(json_lines()))
        elif csv is None:
            outputs.append(stack.enter_context(table(out, err)))
        sources = (recording.source(stack) for recording in recordings if not recording.problem)
        report = stack.enter_context(progress(enabled=not (as_json and out.is_terminal)))
        against: ProfileSource | None = profile
        if same:
            paths_once = [recording.path for recording in recordings if not recording.problem]
            counted = tracked(paths_once, "Getting to know", len(paths_once), report)
            against = made = opened.profile(counted, "mixed", gate=options.gate, workers=workers)
            what = f"judged against {made.recordings:g} recordings of one {same}"
            for note in (what, *made.warnings(opened.profile_info())):
                say(f"sottovoce: {note}", error=True)
        answers = opened.predict_many(sources, workers=workers, profile=against, **dict(options))
        each = _with_problems(recordings, _by_recording(answers, options), opened.card.title)
        for predictions in tracked(each, "Listening", len(recordings), report):
            for prediction in predictions:
                failed = failed or prediction.status is Status.ERROR
                for add in outputs:
                    add(prediction)
    raise typer.Exit(1 if failed else 0)


def _by_recording(
    answers: Iterator[Prediction], options: PredictOptions
) -> Iterator[list[Prediction]]:
    """The predictions of each recording: one, or one a channel."""
    if options.channels == "mix":
        yield from ([answer] for answer in answers)
        return
    found: list[Prediction] = []
    for answer in answers:
        if found and answer.channel in (None, 1):
            yield found
            found = []
        found.append(answer)
    if found:
        yield found


def _with_problems(
    recordings: Iterable[RecordingArgument], answers: Iterator[list[Prediction]], model: str
) -> Iterator[list[Prediction]]:
    """The predictions of each argument in order, those without a recording included."""
    from sottovoce.inference.predictor import source_path
    from sottovoce.results import Prediction, Status

    for recording in recordings:
        if recording.problem:
            yield [
                Prediction(
                    status=Status.ERROR,
                    model=model,
                    source=source_path(recording.path),
                    message=recording.problem,
                )
            ]
        else:
            yield next(answers)
