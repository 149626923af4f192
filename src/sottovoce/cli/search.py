"""`sottovoce search`: look for better settings of a recipe, by validation clips alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli import say
from sottovoce.cli._learn_options import (
    DataFolders,
    Device,
    Out,
    ProtocolName,
    Resume,
    Threads,
    load_experiment,
    requires_extras,
)
from sottovoce.cli._progress import progress


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("search")(search)


def search(
    recipe: Annotated[Path, typer.Argument(help="A recipe with a table \\[search], a TOML file.")],
    data: DataFolders,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="How many trials in all; as the recipe says if not given."),
    ] = None,
    device: Device = "auto",
    threads: Threads = None,
    out: Out = None,
    resume: Resume = False,
    protocol: ProtocolName = "",
) -> None:
    """Look for better settings of a recipe; leaves best.toml, a recipe for sottovoce train.

    Trials are trained on training clips and judged on validation clips; test clips are never
    looked at. The recipe as it stands is the first trial, where it lies in the space. Started
    several times with the same --out, on one machine or many, the processes share the trials.
    """
    with requires_extras("search", "learn", "search"):
        experiment, folders, torch_device = load_experiment(recipe, data, device, threads, protocol)
        from sottovoce.learn.data.dataset import Data
        from sottovoce.learn.search.search import is_under_way
        from sottovoce.learn.search.search import search as run_search
        from sottovoce.learn.search.space import SearchSpace
        from sottovoce.learn.train.cross_validate import check_folder
    space = SearchSpace(experiment)
    name = f"{experiment.name}-{protocol}" if protocol else experiment.name
    folder = out or Path("runs") / f"{name}-search"
    check_folder(folder, experiment, resume=resume or is_under_way(folder), search=True)
    with progress() as report:
        run_search(
            space,
            folder,
            lambda recipe: Data.load(recipe, folders, report),
            trials=trials or space.spec.trials,
            device=torch_device,
            log=say,
            report=report,
        )
