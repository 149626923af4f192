"""`sottovoce export`: a model's network in another library's format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli._learn_options import requires_extras
from sottovoce.errors import AudioError, SottovoceError

if TYPE_CHECKING:
    from sottovoce.audio import Samples

EXAMPLES = """Examples:

  sottovoce export c-cnn-bilstm --to keras --check recordings/"""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(export)


def export(
    model: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="The model.", show_default=False)
    ],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="keras: .keras and .h5.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    check: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Recordings, or folders of them, to compare the files on; made sound if none. May "
            "be repeated.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a model's network in another library's format, and compare it with the model file."""
    if to != "keras":
        raise SottovoceError(f"--to {to}: expected keras")
    from sottovoce.models.model_file import read_model_file
    from sottovoce.models.registry import find
    from sottovoce.text import display_path

    path = find(model)
    card = read_model_file(path)[1]
    with requires_extras("export --to keras", "learn", "keras"):
        from sottovoce.learn.export.keras_model import export_keras
    clips = _recordings(check, card.sample_rate) if check else _made(card.sample_rate)
    made = export_keras(path, out, clips)
    for file in made.files:
        print(f"{display_path(file)}: {file.stat().st_size / 1e6:.1f} MB")
    of = "clips" if check else "made clips, no speech; name recordings with --check"
    print(f"Largest difference to the model file: {made.difference:.1e}, on {made.clips} {of}.")


def _recordings(names: Sequence[str], rate: int) -> Iterator[Samples]:
    """The recordings, (samples,) each at this rate in Hz."""
    from sottovoce.audio import Audio
    from sottovoce.cli._sources import expand

    with ExitStack() as stack:
        for recording in expand(names):
            if recording.problem:
                raise AudioError(recording.problem)
            yield Audio.read(recording.source(stack), sample_rate=rate).samples[0]


def _made(rate: int) -> Iterator[Samples]:
    """Noise of three lengths and levels, (samples,) each at this rate in Hz."""
    import numpy as np

    rng = np.random.default_rng(0)
    for seconds, level in ((1, 0.01), (3, 0.1), (6, 0.3)):
        yield rng.normal(0, level, seconds * rate).astype(np.float32)
