"""`sottovoce search`: look for better settings of a recipe, by validation clips alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli._corpus_options import parse_data
from sottovoce.cli.train import Progress
from sottovoce.errors import MissingExtraError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("search")(search)


def search(
    recipe: Annotated[Path, typer.Argument(help="A recipe with a table \\[search], a TOML file.")],
    data: Annotated[
        list[str],
        typer.Option(
            help="A corpus and its folder, e.g. ravdess=DIR, or noise=DIR; may be repeated."
        ),
    ],
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="How many trials in all; as the recipe says if not given."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of torch; its own choice if not given.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the search; runs/<recipe's name>-search if not given."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a search.")] = False,
    protocol: Annotated[
        str,
        typer.Option(help="Split by another protocol: a name in the recipe's \\[alternatives]."),
    ] = "",
) -> None:
    """Look for better settings of a recipe; leaves best.toml, a recipe for sottovoce train.

    Trials are trained on training clips and judged on validation clips; test clips are never
    looked at. The recipe as it stands is the first trial, where it lies in the space.
    """
    try:
        import torch

        from sottovoce.learn.data.dataset import Data
        from sottovoce.learn.recipe.recipe import Recipe
        from sottovoce.learn.search.search import open_search
        from sottovoce.learn.search.search import search as look
        from sottovoce.learn.search.space import Space
        from sottovoce.learn.train.classifier import find_device
    except ModuleNotFoundError as error:
        raise MissingExtraError("search", str(error.name), "learn", "search") from error
    experiment = Recipe.load(recipe)
    if protocol:
        experiment = experiment.under(protocol)
    space = Space(experiment)
    name = f"{experiment.name}-{protocol}" if protocol else experiment.name
    folder = out or Path("runs") / f"{name}-search"
    where = find_device(device)
    if threads:
        torch.set_num_threads(threads)
    open_search(folder, experiment, resume=resume)
    folders = parse_data(data)

    def load(recipe: Recipe) -> Data:
        with Progress() as progress:
            return Data.load(recipe, folders, progress.show)

    count = trials or space.spec.trials
    look(space, folder, load, trials=count, device=where, say=typer.echo)
