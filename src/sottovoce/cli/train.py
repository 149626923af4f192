"""`sottovoce train`: cross-validate a recipe, then train the model that is given away."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli import say
from sottovoce.cli._corpus_options import scan_options
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
from sottovoce.cli._options import takes_options
from sottovoce.cli._progress import progress
from sottovoce.errors import SottovoceError
from sottovoce.options import TableSpec

if TYPE_CHECKING:
    from sottovoce.learn.recipe.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train")(train)


@takes_options(columns=TableSpec)
def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, a TOML file.")],
    data: DataFolders,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="How many of the recipe's seeds; all if not given.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="This seed alone, one of the recipe's or not, in a folder of its own."
        ),
    ] = None,
    folds: Annotated[str, typer.Option(help="all, or numbers from 1, e.g. 1,2.")] = "all",
    device: Device = "auto",
    threads: Threads = None,
    out: Out = None,
    resume: Resume = False,
    protocol: ProtocolName = "",
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
    boost: Annotated[
        str,
        typer.Option(
            metavar="LABEL:FACTOR,...",
            help="Draw these labels so much more often (names, or numbers from 0): 1:2.0,3:2.0.",
            show_default=False,
        ),
    ] = "",
    focal: Annotated[
        bool, typer.Option("--focal", help="Focal loss, whatever the recipe.")
    ] = False,
    *,
    columns: TableSpec,
) -> None:
    """Cross-validate a recipe and report it; with --final, train the model on all clips.

    Where the recipe has criteria, they are judged. Exit status: 0 done and passed, 1 one was not
    reached, 2 it could not be done, or wrong usage.
    """
    chosen_folds = _folds(folds)
    if seed is not None and (seeds is not None or final):
        other = "--final" if final else "--seeds"
        raise SottovoceError(f"--seed {seed} and {other} exclude each other; give one of them")
    with requires_extras("train", "learn"):
        experiment, folders, torch_device = load_experiment(recipe, data, device, threads, protocol)
        scan_options(folders, columns)
        experiment = experiment.with_columns(columns).with_training(boost, focal=focal)
        from sottovoce.learn.data.dataset import Data
        from sottovoce.learn.evaluate.criteria import check_criteria
        from sottovoce.learn.evaluate.report import format_interval
        from sottovoce.learn.train.cross_validate import check_folder, cross_validate
        from sottovoce.learn.train.final_model import (
            CrossValidationResult,
            check_exportable,
            train_final,
        )
        from sottovoce.learn.train.ranks import check_devices, rank_of
    check_devices(experiment.training, torch_device)
    first = rank_of(experiment.training) == 0
    if threads and experiment.training.ranks > 1:  # else Lightning divides the processors
        os.environ["OMP_NUM_THREADS"] = str(threads)
    parts = [experiment.name, protocol, "" if seed is None else f"seed{seed}"]
    folder = out or Path("runs") / "-".join(filter(None, parts))
    no_tests = experiment.protocol.name == "none"
    if final or no_tests:
        check_exportable(experiment)
    measured = None
    if final and not no_tests:
        measured = CrossValidationResult.read(figures or folder, experiment)
    check_folder(folder, experiment, resume=resume or final)
    log = say if first else _hush
    with progress(enabled=first) as report:
        clips = Data.load(experiment, folders, report)
        if first:
            for line in clips.left_out:
                say(f"sottovoce: left out: {line}", error=True)
        if final or no_tests:
            train_final(clips, folder, measured, torch_device, log, report)
            return
        metrics = cross_validate(
            clips,
            folder,
            seeds=_seeds(experiment, seeds) if seed is None else (seed,),
            folds=chosen_folds,
            device=torch_device,
            log=log,
            report=report,
        )
    if not first:
        return
    uar, ece = (format_interval(name, metrics[name]) for name in ("uar", "ece"))
    typer.echo(f"UAR {uar}, ECE {ece}")
    checks = check_criteria(
        experiment.criteria, {name: interval.value for name, interval in metrics.items()}
    )
    for check in checks:
        say(check)
    say(f"The report is in {folder}.")
    if not all(check.passed for check in checks):
        raise typer.Exit(1)


def _hush(text: object) -> None:
    """Say nothing: of the processes that train together the first speaks."""


def _seeds(recipe: Recipe, count: int | None) -> tuple[int, ...]:
    """The recipe's seeds, or so many; beyond the recipe's own, the next numbers."""
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
