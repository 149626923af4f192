"""What `train`, `search` and `evaluate` share: options, and checks that run before torch loads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli._corpus_options import parse_data
from sottovoce.errors import CorpusError, MissingExtraError, SottovoceError
from sottovoce.text import display_path

if TYPE_CHECKING:
    import torch

    from sottovoce.learn.recipe.recipe import Recipe

DataFolders = Annotated[
    list[str],
    typer.Option(
        "--data",
        help="A corpus and where it lies: ravdess=DIR, table=FILE or noise=DIR; may be repeated.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads of torch; its own choice if not given."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder to write to; under runs/ and named for the recipe if not given.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what the folder holds.")]
ProtocolName = Annotated[
    str,
    typer.Option(
        "--protocol",
        help="Split by another of the recipe's protocols, named in \\[alternatives].",
    ),
]


@contextmanager
def requires_extras(feature: str, *extras: str) -> Iterator[None]:
    """Turn a failed import into the install line of the extras that bring the package."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(feature, str(error.name), *extras) from error


def load_experiment(
    recipe: Path, data: Sequence[str], device: str, threads: int | None, protocol: str
) -> tuple[Recipe, dict[str, Path], torch.device]:
    """Check what a command was given, and load its recipe; what is quick to check comes first.

    Returns:
        The recipe, under the protocol that was named; corpus -> folder; and the device.

    Raises:
        SottovoceError: something is wrong; torch, which takes seconds to load, is not loaded for
            what can be found without it.
    """
    from sottovoce.learn.recipe.recipe import Recipe

    Recipe.check(recipe, protocol)
    folders = existing_folders(data)
    if device not in ("auto", "cpu", "cuda"):
        raise SottovoceError(f"device {device!r}; expected auto, cpu or cuda")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SottovoceError("device cuda: torch finds no CUDA here; use --device cpu, or auto")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if threads:
        torch.set_num_threads(threads)
    experiment = Recipe.load(recipe)
    if protocol:
        experiment = experiment.with_protocol(protocol)
    return experiment, folders, torch.device(device)


def existing_folders(data: Sequence[str]) -> dict[str, Path]:
    """Read what `--data` was given.

    Returns:
        Corpus -> its folder or file.

    Raises:
        CorpusError: an option has no name or no folder, or the folder is not there.
    """
    folders = parse_data(data)
    for folder in folders.values():
        if not folder.exists():
            raise CorpusError(
                f"{display_path(folder)}: no such folder; give the folder in which the corpus lies"
            )
    return folders
