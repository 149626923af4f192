"""`sottovoce train`: cross-validate a recipe, then train the model that is given away."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from sottovoce.cli._corpus_options import parse_data
from sottovoce.errors import MissingExtraError, SottovoceError

if TYPE_CHECKING:
    from sottovoce.learn.recipe.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train")(train)


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, a TOML file.")],
    data: Annotated[
        list[str],
        typer.Option(
            help="A corpus and its folder, e.g. ravdess=DIR, or noise=DIR; may be repeated."
        ),
    ],
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many of the recipe's seeds; all if not given.")
    ] = None,
    folds: Annotated[str, typer.Option(help="all, or numbers from 1, e.g. 1,2.")] = "all",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of torch; its own choice if not given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; runs/<recipe's name> if not given.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run.")] = False,
    protocol: Annotated[
        str,
        typer.Option(help="Split by another of the recipe's protocols, named in \\[alternatives]."),
    ] = "",
    final: Annotated[
        bool,
        typer.Option(
            "--final",
            help="Train the model on all clips, with figures and temperature of a finished run.",
        ),
    ] = False,
    figures: Annotated[
        Path | None,
        typer.Option(help="With --final: the folder of that run; that of --out if not given."),
    ] = None,
) -> None:
    """Cross-validate a recipe and report it; with --final, train the model on all clips."""
    try:
        import torch

        from sottovoce.learn.data.dataset import Data
        from sottovoce.learn.evaluate.report import describe
        from sottovoce.learn.recipe.recipe import Recipe
        from sottovoce.learn.train.classifier import find_device
        from sottovoce.learn.train.cross_validate import cross_validate, open_folder
        from sottovoce.learn.train.final_model import Measured, check_exportable, train_final
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", str(error.name), "learn") from error
    experiment = Recipe.load(recipe)
    if protocol:
        experiment = experiment.under(protocol)
    folder = out or Path("runs") / (
        f"{experiment.name}-{protocol}" if protocol else experiment.name
    )
    chosen_seeds = _seeds(experiment, seeds)
    chosen_folds = _folds(folds)
    where = find_device(device)
    if threads:
        torch.set_num_threads(threads)
    alone = experiment.protocol.name == "none"
    if final or alone:
        check_exportable(experiment)
    measured = None
    if final and not alone:
        measured = Measured.read(figures or folder, experiment)
    open_folder(folder, experiment, resume=resume or final)
    with Progress() as progress:
        everything = Data.load(experiment, parse_data(data), progress.show)
    if final or alone:
        train_final(everything, folder, measured, where, typer.echo)
        return
    found = cross_validate(
        everything, folder, seeds=chosen_seeds, folds=chosen_folds, device=where, say=typer.echo
    )
    typer.echo(f"UAR {describe('uar', found['uar'])}, ECE {describe('ece', found['ece'])}")
    typer.echo(f"The report is in {folder}.")


def _seeds(recipe: Recipe, count: int | None) -> tuple[int, ...]:
    """The recipe's seeds, or as many as asked for; beyond the recipe's own, the next numbers."""
    own = recipe.seeds
    if count is None or count <= len(own):
        return own[:count]
    return own + tuple(range(max(own) + 1, max(own) + 1 + count - len(own)))


def _folds(text: str) -> list[int] | None:
    if text == "all":
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SottovoceError(f"--folds {text}: expected all, or numbers like 1,2") from None


class Progress:
    """A bar on standard error, only for people."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, what: str, done: int, total: int) -> None:
        """Move the bar of one thing that is being done."""
        from rich.progress import TaskID

        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total)
        self._bar.update(TaskID(self._tasks[what]), completed=done, total=total)
