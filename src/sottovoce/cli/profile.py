"""`sottovoce profile`: what a voice or a place sounds like, kept in a file to judge others by."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from sottovoce.cli import _options, say

EXAMPLES = """Examples:

  sottovoce profile anna-1.wav anna-2.wav --kind normal -o anna.profile\n
  sottovoce profile "calls/*.wav" -o calls.profile\n
  sottovoce predict new.wav --profile calls.profile

Exit status: 0 the profile was written, 1 some recordings could not be used, 2 wrong usage, or
none could."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(profile)


def profile(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS",
            help="Recordings: files, folders, patterns in quotes.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="FILE", help="Where to keep it.", show_default=False),
    ],
    kind: Annotated[
        Literal["normal", "mixed"],
        typer.Option(
            help="normal: one person's voice, spoken plainly, two sentences or more. mixed: a "
            "person or a place in whatever moods, eight recordings or more."
        ),
    ] = "mixed",
    model: _options.ModelName = None,
    workers: _options.Workers = None,
) -> None:
    """Make a profile: unlabelled recordings of a voice or a place, against which others are judged.

    It says something about a person, and is kept only because you ask for it.
    """
    from contextlib import ExitStack

    from sottovoce.cli._output import new_console
    from sottovoce.cli._progress import progress, tracked
    from sottovoce.cli._sources import expand
    from sottovoce.models.registry import load
    from sottovoce.text import display_path, duration

    opened = load(model)
    opened.profile_info()
    recordings = list(expand(paths))
    with ExitStack() as stack:
        sources = (recording.source(stack) for recording in recordings if not recording.problem)
        report = stack.enter_context(progress())
        counted = tracked(sources, "Listening", len(recordings), report)
        made = opened.profile(counted, kind, workers=workers)
    made.save(out)
    new_console().print(
        f"{display_path(out)}: a {kind} profile of {made.recordings:g} recordings, "
        f"{duration(made.seconds)} of speech, for {made.model}.",
        soft_wrap=True,
    )
    unread = [recording.problem for recording in recordings if recording.problem]
    for reason in (*unread, *made.left_out):
        say(f"sottovoce: left out: {reason}", error=True)
    for warning in made.warnings(opened.profile_info()):
        say(f"sottovoce: {warning}", error=True)
    raise typer.Exit(1 if unread or made.left_out else 0)
