"""`sottovoce adapt`: a model for a person's own recordings and words, from a few labelled ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli import _options

EXAMPLES = """Examples:

  sottovoce adapt mine.csv -o mine.onnx\n
  sottovoce adapt calls.csv -o calls.onnx --path-column recording --label-column mood\n
  sottovoce predict new.wav --model mine.onnx

Exit status: 0 the model was written, 1 it would not have helped, so nothing was, 2 wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(adapt)


def adapt(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="CSV with a column of files, relative to it, and one of labels, in any words.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="FILE", help="The new model.", show_default=False),
    ],
    path_column: Annotated[str, typer.Option(metavar="NAME", help="Column of files.")] = "file",
    label_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column of labels.")
    ] = "emotion",
    model: _options.ModelName = None,
    workers: _options.Workers = None,
) -> None:
    """Adapt a model to your own recordings, from about 5 to 50 of them with a label each.

    A small classifier is fitted to the model's embedding and cross-validated; where it is no better
    than the model as it was, nothing is written.
    """
    import re

    from rich.console import Console

    from sottovoce.cli._progress import progress, tracked
    from sottovoce.inference.adapt import adapt as fit
    from sottovoce.models.model_file import with_card
    from sottovoce.models.registry import find, load
    from sottovoce.system import write_atomically
    from sottovoce.text import display_path

    opened = load(model)
    rows = read_labels(Path(table), path_column, label_column)
    with progress() as report:
        sources = tracked([path for path, _ in rows], "Listening", len(rows), report)
        labels = [label for _, label in rows]
        name = re.sub(r"[^a-z0-9._-]+", "-", Path(out).stem.lower()).strip("-._") or "adapted"
        made = fit(opened, list(zip(sources, labels, strict=True)), name=name, workers=workers)
    for reason in made.left_out:
        typer.echo(f"sottovoce: left out: {reason}", err=True)
    value, low, high = (100 * figure for figure in made.uar)
    print_ = Console(highlight=False).print
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


def read_labels(table: Path, path_column: str, label_column: str) -> list[tuple[str, str]]:
    """Files and labels of a CSV table; a row without a label is left out.

    Raises:
        SottovoceError: the table cannot be read, has no such column or no row with a label.
    """
    import csv

    from sottovoce.audio.sources import is_address
    from sottovoce.errors import SottovoceError
    from sottovoce.text import display_path

    name = display_path(table)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            for wanted in (path_column, label_column):
                if wanted not in columns:
                    raise SottovoceError(
                        f"{name}: has no column {wanted!r}; it has {', '.join(columns) or 'none'}; "
                        "name them with --path-column and --label-column"
                    )
            rows = [
                (path if is_address(path) else str(table.parent / path), label)
                for row in reader
                if (path := row[path_column]) and (label := (row[label_column] or "").strip())
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise SottovoceError(f"{name}: cannot be read ({reason}); give a CSV table") from None
    if not rows:
        raise SottovoceError(f"{name}: no row has a file and a label; label a few recordings")
    return rows
