"""`sottovoce report`: what a recording sounds like, as one file for people that works offline."""

from __future__ import annotations

from typing import Annotated

import typer

from sottovoce.cli import _options
from sottovoce.options import RecordingOptions

EXAMPLES = """Examples:

  sottovoce report call.wav -o call.html\n
  sottovoce report call.mp3 -o call.html --audio --channels split\n
  sottovoce report anna.wav -o anna.html --profile anna.profile

Exit status: 0 the report was written, 2 it could not be, or wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(report)


@_options.takes_options(options=RecordingOptions)
def report(
    path: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A recording, of any length, or - for one on standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The report, an .html file.", show_default=False
        ),
    ],
    audio: Annotated[
        bool,
        typer.Option(help="Put the recording in, to be played; whoever has the file can hear it."),
    ] = False,
    model: _options.ModelNames = None,
    profile: _options.ProfileFile = None,
    *,
    options: RecordingOptions,
    workers: _options.Workers = None,
) -> None:
    """Write a report of a recording: one file that opens in any browser, without the internet.

    It shows what was heard, when and how surely, and how far to trust it. It prints well.
    """
    from contextlib import ExitStack
    from pathlib import Path

    from sottovoce.cli._output import new_console
    from sottovoce.cli._progress import progress
    from sottovoce.cli._sources import RecordingArgument
    from sottovoce.export import ExportSubject
    from sottovoce.export.report import FORMAT, report_file
    from sottovoce.models.registry import find, load
    from sottovoce.models.tested import read
    from sottovoce.text import clock, display_path, duration

    FORMAT.check_name(out)
    opened = load(model)
    with ExitStack() as stack:
        source = RecordingArgument(path).source(stack)
        tested = read(find(model[0] if model else None), opened.card)
        about = ExportSubject(source, opened, display_path(path), profile, tested)
        segments = stack.enter_context(
            opened.timeline(source, profile=profile, workers=workers, **dict(options))
        )
        add = stack.enter_context(report_file(out, about, audio=audio))
        bar = stack.enter_context(progress(show=clock))
        end = 0.0
        for segment in segments:
            add(segment)
            end = segment.end
            bar("Listening", end, None)
    size = Path(out).stat().st_size / 1e6
    sound = "with the recording in it" if audio else "without the recording"
    new_console(markup=False).print(
        f"{display_path(out)}: a report of {duration(end)}, {sound}, {size:.1f} MB.",
        soft_wrap=True,
    )
