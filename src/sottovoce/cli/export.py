"""`sottovoce export`: a model file in another form, checked against the one it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sottovoce.cli._learn_options import DataFolders, existing_folders, requires_extras

EXAMPLES = """Examples:

  sottovoce export sottovoce-small --to onnx-int8 --data ravdess=DIR

Exit status: 0 it was written, 2 it was not, or wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(epilog=EXAMPLES)(export)


def export(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a model.")],
    to: Annotated[
        Literal["onnx-int8"],
        typer.Option("--to", help="onnx-int8: weights and products in 8 bits, half the size."),
    ],
    data: DataFolders,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write.", show_default="in this folder, named for the model"),
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="How many clips to check it on.")] = 200,
) -> None:
    """Write a model in another form, and say how it compares on real clips."""
    with requires_extras("export", "learn"):
        from sottovoce.cli._corpus_options import scan_options
        from sottovoce.cli._progress import progress
        from sottovoce.learn.corpora import scan
        from sottovoce.learn.export.quantise import compare, quantise
    from sottovoce.models.model_file import read_model_file
    from sottovoce.models.registry import find
    from sottovoce.options import TableSpec
    from sottovoce.text import display_path

    source = find(model)
    folders = existing_folders(data)
    options = scan_options(folders, TableSpec())
    file = out or Path(f"{read_model_file(source)[1].name}-int8.onnx")
    quantise(source, file)
    scans = [scan(corpus, folder, **options[corpus]) for corpus, folder in folders.items()]
    found = [clip for each in scans for clip in each.clips]
    step = max(1, len(found) // clips)
    with progress() as report:
        compared = compare(source, file, found[::step][:clips], report)
    for line in (f"{display_path(file)} is written.", *compared.lines()):
        typer.echo(line)
