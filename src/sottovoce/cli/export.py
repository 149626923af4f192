"""`sottovoce export`: a model file in another form, checked against the one it was made of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sottovoce.cli._learn_options import existing_folders, requires_extras
from sottovoce.errors import SottovoceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sottovoce.audio import Samples
    from sottovoce.learn.corpora import Clip

EXAMPLES = """Examples:

  sottovoce export c-cnn-bilstm --to keras --data ravdess=DIR\n
  sottovoce export sottovoce-small --to onnx-int8 --data ravdess=DIR

Exit status: 0 it was written, 2 it was not, or wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(epilog=EXAMPLES)(export)


def export(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a model.")],
    to: Annotated[
        Literal["keras", "onnx-int8"],
        typer.Option(
            "--to",
            help="keras: .keras and .h5, and a side file with the labels. onnx-int8: weights and "
            "products in 8 bits, half the size.",
        ),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="A corpus to check it on, and where it lies: ravdess=DIR; may be repeated. Keras "
            "is checked on made sound without one.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to.", show_default="this folder")
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="How many clips to check it on.")] = 200,
) -> None:
    """Write a model in another form, and say how it compares on real clips."""
    from sottovoce.models.registry import find

    source, folder = find(model), out or Path()
    if to == "keras":
        lines = _to_keras(source, folder, data, clips)
    elif data:
        lines = _to_int8(source, folder, data, clips)
    else:
        raise SottovoceError("8 bits are judged on labelled clips; name them: --data ravdess=DIR")
    for line in lines:
        typer.echo(line)


def _to_keras(source: Path, folder: Path, data: list[str] | None, count: int) -> Iterator[str]:
    from sottovoce.audio import Audio
    from sottovoce.audio.parts import sounds
    from sottovoce.models.model_file import read_model_file
    from sottovoce.text import display_path

    with requires_extras("export --to keras", "learn", "keras"):
        from sottovoce.learn.export.keras_model import export_keras
    rate = read_model_file(source)[1].sample_rate
    made = _made(rate)
    if data:
        parts = [clip.part for clip in _clips(data, count)]
        made = (Audio.read(sound, sample_rate=rate).samples[0] for sound in sounds(parts))
    written = export_keras(source, folder, made)
    for file in written.files:
        yield f"{display_path(file)}: {file.stat().st_size / 1e6:.1f} MB"
    of = "clips" if data else "made clips, none of them speech; name a corpus with --data"
    difference = f"{written.difference:.1e}, on {written.clips} {of}"
    yield f"Largest difference to the model file: {difference}."


def _to_int8(source: Path, folder: Path, data: list[str], count: int) -> Iterator[str]:
    with requires_extras("export --to onnx-int8", "learn"):
        from sottovoce.learn.export.quantise import compare, quantise
    from sottovoce.cli._progress import progress
    from sottovoce.models.model_file import read_model_file
    from sottovoce.text import display_path

    file = folder / f"{read_model_file(source)[1].name}-int8.onnx"
    found = _clips(data, count)
    folder.mkdir(parents=True, exist_ok=True)
    quantise(source, file)
    with progress() as report:
        compared = compare(source, file, found, report)
    yield f"{display_path(file)} is written."
    yield from compared.lines()


def _clips(data: list[str], count: int) -> list[Clip]:
    """So many clips of the corpora, evenly taken."""
    from sottovoce.cli._corpus_options import scan_options
    from sottovoce.learn.corpora import scan
    from sottovoce.options import TableSpec

    folders = existing_folders(data)
    options = scan_options(folders, TableSpec())
    scans = [scan(corpus, folder, **options[corpus]) for corpus, folder in folders.items()]
    found = [clip for each in scans for clip in each.clips]
    return found[:: max(1, len(found) // count)][:count]


def _made(rate: int) -> Iterator[Samples]:
    """Noise of three lengths and levels, (samples,) each at this rate in Hz."""
    import numpy as np

    rng = np.random.default_rng(0)
    for seconds, level in ((1, 0.01), (3, 0.1), (6, 0.3)):
        yield rng.normal(0, level, seconds * rate).astype(np.float32)
