"""`sottovoce timeline`: which emotion a recording carries over time, shown, or written to files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli import _options
from sottovoce.cli._options import DEFAULTS
from sottovoce.options import RecordingOptions

if TYPE_CHECKING:
    from rich.console import Console

    from sottovoce.inference.timeline import Timeline
    from sottovoce.results import Segment

RECORDING = RecordingOptions()

PATIENCE = 2.0
"""s after which a progress bar is shown."""

FILES = "Write files"

EXAMPLES = """Examples:

  sottovoce timeline interview.mp3\n
  sottovoce timeline call.wav --channels split --csv call.csv\n
  sottovoce timeline lecture.flac --plot lecture.png --textgrid lecture.TextGrid\n
  sottovoce timeline film.wav --subtitles film.vtt --json | jq .emotion

Exit status: 0 the recording was followed to its end, 2 it could not be, or wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(timeline)


def timeline(
    path: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A recording, of any length, or - for one on standard input.",
            show_default=False,
        ),
    ],
    model: _options.ModelName = None,
    window: _options.WindowLength = DEFAULTS.window,
    hop: _options.Hop = DEFAULTS.hop,
    lookahead: _options.Lookahead = RECORDING.lookahead,
    smoothing: _options.SmoothingName = DEFAULTS.smoothing,
    hold: _options.HoldTime = DEFAULTS.hold,
    channels: _options.ChannelsKind = DEFAULTS.channels,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print one JSON object a segment, as they come, and nothing else."
        ),
    ] = False,
    csv_path: Annotated[
        str | None,
        typer.Option(
            "--csv",
            metavar="FILE",
            rich_help_panel=FILES,
            help="A row a segment, a column for each emotion.",
        ),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=FILES, help="A picture: .png, .svg or .pdf."),
    ] = None,
    subtitles: Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=FILES, help="Subtitles: .vtt or .srt."),
    ] = None,
    textgrid: Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=FILES, help="A TextGrid for Praat."),
    ] = None,
    audacity: Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=FILES, help="A label track for Audacity."),
    ] = None,
    min_confidence: _options.MinConfidence = None,
    silence_rms: _options.SilenceRms = None,
    speech_threshold: _options.SpeechThreshold = None,
    min_speech: _options.MinSpeech = None,
    workers: _options.Workers = None,
) -> None:
    """Follow a recording: which emotion the voice carries, second by second."""
    from rich.console import Console

    from sottovoce.cli import _writers
    from sottovoce.cli._sources import Named
    from sottovoce.export import formats
    from sottovoce.models.registry import load
    from sottovoce.text import display_path

    asked = _options.options(
        window=window,
        hop=hop,
        lookahead=lookahead,
        smoothing=smoothing,
        hold=hold,
        channels=channels,
        min_confidence=min_confidence,
        silence_rms=silence_rms,
        speech_threshold=speech_threshold,
        min_speech=min_speech,
    )
    opened = load(model)
    labels, title = opened.labels, f"{display_path(path)} - {opened.card.title}"
    out, err = Console(highlight=False), Console(highlight=False, stderr=True)
    with ExitStack() as stack:
        enter = stack.enter_context
        segments = enter(opened.timeline(Named(path).source(), workers=workers, **asked))
        add = []
        if csv_path is not None:
            add.append(enter(_writers.csv_file(csv_path, labels)))
        if plot is not None:
            add.append(enter(_writers.picture(plot, labels, title)))
        if subtitles is not None:
            add.append(enter(_writers.subtitles(subtitles)))
        if textgrid is not None:
            add.append(enter(_writers.text_file(textgrid, formats.textgrid)))
        if audacity is not None:
            add.append(enter(_writers.text_file(audacity, formats.audacity)))
        if as_json:
            add.append(enter(_writers.json_lines()))
        else:
            add.append(enter(_writers.strip(out, labels, segments.summary)))
        quiet = not err.is_terminal or (as_json and out.is_terminal)
        for segment in segments if quiet else _with_progress(segments, path, err):
            for take in add:
                take(segment)


def _with_progress(segments: Timeline, path: str, console: Console) -> Iterator[Segment]:
    """The segments, with a bar on `console` once it takes a while."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from sottovoce.text import clock

    columns = (TextColumn("Listening {task.fields[at]}"), BarColumn(), TimeRemainingColumn())
    begun = time.monotonic()
    with ExitStack() as stack:
        progress = Progress(*columns, console=console, transient=True)
        task = progress.add_task("", total=_duration(path), at="")
        shown = False
        for segment in segments:
            yield segment
            if not shown and time.monotonic() - begun > PATIENCE:
                stack.enter_context(progress)
                shown = True
            progress.update(task, completed=segment.end, at=clock(segment.end))


def _duration(path: str) -> float | None:
    """How long a recording says that it is, s; None where it does not say."""
    import soundfile

    try:
        duration = float(soundfile.info(path).duration)
    except (OSError, RuntimeError):
        return None
    return duration if duration < 1e6 else None
