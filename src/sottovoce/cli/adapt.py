"""`sottovoce adapt`: a model for a person's own recordings and words, from a few labelled ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli import _options, say
from sottovoce.options import LabelSpec, TableSpec

EXAMPLES = """Examples:

  sottovoce adapt mine.csv -o mine.onnx\n
  sottovoce adapt calls.csv -o calls.onnx --path-column recording --label-column mood\n
  sottovoce predict new.wav --model mine.onnx

Exit status: 0 the model was written, 1 it would not have helped, so nothing was, 2 wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(adapt)


@_options.takes_options(columns=LabelSpec)
def adapt(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="CSV with a column of files, relative to it, and one of labels, in any words; or "
            "labels from Label Studio, Audacity, Praat or subtitles.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="FILE", help="The new model.", show_default=False),
    ],
    model: _options.ModelName = None,
    workers: _options.Workers = None,
    *,
    columns: LabelSpec,
) -> None:
    """Adapt a model to your own recordings, from about 5 to 50 of them with a label each.

    A small classifier is fitted to the model's embedding and cross-validated; where it is no better
    than the model as it was, nothing is written.
    """
    import re

    from sottovoce.annotations import read_annotations
    from sottovoce.audio.parts import sounds
    from sottovoce.cli._output import new_console
    from sottovoce.cli._progress import progress, tracked
    from sottovoce.inference.adapt import adapt as fit
    from sottovoce.models.model_file import with_card
    from sottovoce.models.registry import find, load
    from sottovoce.system import write_atomically
    from sottovoce.text import display_path

    opened = load(model)
    found = read_annotations(Path(table), TableSpec(**columns.model_dump()))
    for note in found.notes:
        say(f"sottovoce: {note.kind}: {note.message}", error=True)
    parts = [clip.part for clip in found.clips]
    with progress() as report:
        sources = tracked(sounds(parts), "Listening", len(parts), report)
        labels = [clip.label for clip in found.clips]
        name = re.sub(r"[^a-z0-9._-]+", "-", Path(out).stem.lower()).strip("-._") or "adapted"
        made = fit(opened, list(zip(sources, labels, strict=True)), name=name, workers=workers)
    for reason in made.left_out:
        say(f"sottovoce: left out: {reason}", error=True)
    value, low, high = (100 * figure for figure in made.uar)
    print_ = new_console().print
    print_(
        f"Cross-validated on {made.recordings} recordings, UAR {value:.0f} % ({low:.0f} to "
        f"{high:.0f}); chance is {100 / len(made.card.labels):.0f} %.",
        soft_wrap=True,
    )
    if made.generic is not None and made.profiled is not None:
        print_(
            f"{opened.card.title} as it is: {100 * made.generic:.0f} %; with a profile of these "
            f"recordings: {100 * made.profiled:.0f} %.",
            soft_wrap=True,
        )
    if not made.helped:
        better = "a profile" if (made.profiled or 0) > (made.generic or 0) else "the model as it is"
        advice = f"use {better}, or label more" if made.generic is not None else "label more"
        print_(f"It did not help, so nothing was written; {advice}.", soft_wrap=True)
        raise typer.Exit(1)
    write_atomically(Path(out), with_card(find(model).read_bytes(), made.card.to_json()))
    print_(f"{display_path(out)}: {', '.join(made.card.labels)}.", soft_wrap=True)
