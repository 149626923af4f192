"""`sottovoce timeline`: which emotion a recording carries over time, shown, or written to files."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import Field, create_model
from pydantic.config import JsonDict

from sottovoce.cli import _options, say
from sottovoce.export import ExportSubject, export_formats
from sottovoce.options import Options, RecordingOptions

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = """Examples:

  sottovoce timeline interview.mp3\n
  sottovoce timeline call.wav --channels split --csv call.csv\n
  sottovoce timeline lecture.flac --plot lecture.png --textgrid lecture.TextGrid\n
  sottovoce timeline film.wav --subtitles film.vtt --json | jq .emotion

Exit status: 0 the recording was followed to its end, 2 it could not be, or wrong usage."""


class FileOptions(Options, title="Write files"):
    """Base of the paths of the files to write, one for each format of `sottovoce.export`."""


def _path_field(summary: str) -> Any:
    extra: JsonDict = {"metavar": "FILE"}
    return str | None, Field(default=None, description=summary, json_schema_extra=extra)


FORMATS = export_formats()
FIELDS = {name: _path_field(format_.help) for name, format_ in FORMATS.items()}
EXPORTS = create_model("Exports", __base__=FileOptions, **FIELDS)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(timeline)


@_options.takes_options(files=EXPORTS, options=RecordingOptions)
def timeline(
    path: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A recording, of any length, or - for one on standard input.",
            show_default=False,
        ),
    ],
    model: _options.ModelNames = None,
    profile: _options.ProfileFile = None,
    *,
    files: FileOptions,
    raw_csv: _options.RawCsv = False,
    options: RecordingOptions,
    as_json: _options.Json = False,
    workers: _options.Workers = None,
) -> None:
    """Follow a recording: which emotion the voice carries, second by second."""
    from sottovoce.cli._output import json_lines, new_console
    from sottovoce.cli._progress import progress
    from sottovoce.cli._sources import RecordingArgument
    from sottovoce.cli._timeline_view import timeline_view
    from sottovoce.models.registry import find, load
    from sottovoce.models.tested import read
    from sottovoce.text import clock, display_path

    opened = load(model)
    out = new_console()
    with ExitStack() as stack:
        enter = stack.enter_context
        source = RecordingArgument(path).source(stack)
        segments = enter(opened.timeline(source, profile=profile, workers=workers, **dict(options)))
        tested = read(find(model[0] if model else None), opened.card)
        about = ExportSubject(source, opened, display_path(path), profile, tested, raw_csv)
        exports = [FORMATS[name].open(file, about) for name, file in files if file is not None]
        outputs: list[Callable[..., None]] = [enter(export) for export in exports]
        outputs.append(
            enter(json_lines() if as_json else timeline_view(out, opened.labels, segments.summary))
        )
        report = enter(progress(enabled=not (as_json and out.is_terminal), show=clock))
        total = _duration(path)
        for segment in segments:
            for add in outputs:
                add(segment)
            report("Listening", segment.end, total)
        for warning in segments.warnings:
            say(f"sottovoce: {display_path(path)}: {warning.message}", error=True)


def _duration(path: str) -> float | None:
    """How long a recording says that it is, s; None where it does not say."""
    import soundfile

    if path == "-":  # libsndfile would read standard input
        return None
    try:
        duration = float(soundfile.info(path).duration)
    except (OSError, RuntimeError):
        return None
    return duration if duration < 1e6 else None
