"""`sottovoce export`: a model file in another form, checked against the one it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sottovoce.cli._learn_options import existing_folders, requires_extras

if TYPE_CHECKING:
    from sottovoce.audio import Samples

EXAMPLES = """Examples:

  sottovoce export c-cnn-bilstm --to keras --data ravdess=DIR

Exit status: 0 it was written, 2 it was not, or wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(epilog=EXAMPLES)(export)


def export(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a model.")],
    to: Annotated[
        Literal["keras"],
        typer.Option("--to", help="keras: .keras and .h5, and a side file with the labels."),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="A corpus to check it on, and where it lies: ravdess=DIR; made sound if none. May "
            "be repeated.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to.", show_default="this folder")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="How many clips to check it on.")] = 200,
) -> None:
    """Write a model in another form, and say how it compares on real clips."""
    from sottovoce.models.model_file import read_model_file
    from sottovoce.models.registry import find
    from sottovoce.text import display_path

    source = find(model)
    with requires_extras(f"export --to {to}", "learn", "keras"):
        from sottovoce.learn.export.keras_model import export_keras
    rate = read_model_file(source)[1].sample_rate
    sound = _sounds(existing_folders(data), clips, rate) if data else _made(rate)
    written = export_keras(source, out or Path(), sound)
    for file in written.files:
        typer.echo(f"{display_path(file)}: {file.stat().st_size / 1e6:.1f} MB")
    of = "clips" if data else "made clips, none of them speech; name a corpus with --data"
    typer.echo(
        f"Largest difference to the model file: {written.difference:.1e}, on {written.clips} {of}."
    )


def _sounds(folders: dict[str, Path], count: int, rate: int) -> Iterator[Samples]:
    """So many clips of the corpora, evenly taken, (samples,) each at this rate in Hz."""
    from sottovoce.audio import Audio
    from sottovoce.audio.parts import sounds
    from sottovoce.cli._corpus_options import scan_options
    from sottovoce.learn.corpora import scan
    from sottovoce.options import TableSpec

    options = scan_options(folders, TableSpec())
    scans = [scan(corpus, folder, **options[corpus]) for corpus, folder in folders.items()]
    found = [clip.part for each in scans for clip in each.clips]
    chosen = found[:: max(1, len(found) // count)][:count]
    for source in sounds(chosen):
        yield Audio.read(source, sample_rate=rate).samples[0]


def _made(rate: int) -> Iterator[Samples]:
    """Noise of three lengths and levels, (samples,) each at this rate in Hz."""
    import numpy as np

    rng = np.random.default_rng(0)
    for seconds, level in ((1, 0.01), (3, 0.1), (6, 0.3)):
        yield rng.normal(0, level, seconds * rate).astype(np.float32)
