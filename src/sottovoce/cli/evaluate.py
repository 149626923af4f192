"""`sottovoce evaluate`: how good a model file is on labelled corpora, with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli._corpus_options import parse_data, scan_options, with_table_columns
from sottovoce.errors import MissingExtraError, RecipeError
from sottovoce.options import TableSpec

if TYPE_CHECKING:
    from sottovoce.learn.evaluate.evaluate_model import Trial
    from sottovoce.learn.evaluate.intervals import Interval
    from sottovoce.learn.evaluate.report import Run
    from sottovoce.results import Prediction


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("evaluate")(with_table_columns(evaluate))


def evaluate(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a model.")],
    data: Annotated[
        list[str],
        typer.Option(
            help="A corpus and its folder, e.g. ravdess=DIR, or table=FILE; may be repeated."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write the report (figures, CSV, pictures) here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    columns: TableSpec,
) -> None:
    """Measure a model on labelled corpora: UAR and more, with 95 % intervals over speakers."""
    try:
        from sottovoce.learn.corpora import scan
        from sottovoce.learn.evaluate.criteria import NOTHING_ASKED, check
        from sottovoce.learn.evaluate.evaluate_model import try_model
        from sottovoce.learn.evaluate.intervals import intervals
        from sottovoce.learn.evaluate.report import write_report
        from sottovoce.learn.recipe.recipe import Recipe
    except ModuleNotFoundError as error:
        raise MissingExtraError("evaluate", str(error.name), "learn") from error
    from sottovoce.models.registry import load

    opened = load(model)
    folders = parse_data(data)
    options = scan_options(folders, columns)
    scans = [scan(corpus, folder, **options[corpus]) for corpus, folder in folders.items()]
    criteria = NOTHING_ASKED
    with suppress(RecipeError):  # a model file from elsewhere may have no recipe of ours
        criteria = Recipe.parse(opened.card.recipe).criteria
    trial = try_model(opened, scans, _bar)
    measured = intervals(trial.answered)
    checks = check(criteria, {name: each.value for name, each in measured.items()})
    gated = {name: intervals(trial.with_gate)[name] for name in ("uar", "accuracy")}
    if out is not None:
        write_report(out, replace(_run(trial), criteria=criteria))
    if as_json:
        passed = {each.name: each.passed for each in checks}
        typer.echo(json.dumps(_record(trial, measured, gated) | {"criteria": passed}))
    else:
        _show(trial, measured, gated)
        for each in checks:
            typer.echo(each)


def _bar(predictions: Iterable[Prediction], total: int) -> Iterable[Prediction]:
    """Show how far it is, on standard error and only to people."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(
        predictions,
        "judging",
        total=total,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _run(trial: Trial) -> Run:
    """Give the trial as a run of one seed and one fold, for the report."""
    from sottovoce.learn.evaluate.report import Run, SeedRun

    everything = {"all": range(len(trial.answered.clips))}
    return Run(
        name=trial.model,
        protocol=f"all clips of {' and '.join(trial.corpora)}",
        optimistic=bool(trial.seen),
        seeds=(SeedRun(0, trial.answered, everything),),
        note=" ".join(trial.warnings),
    )


def _record(
    trial: Trial, measured: dict[str, Interval], gated: dict[str, Interval]
) -> dict[str, object]:
    def plain(figures: dict[str, Interval]) -> dict[str, dict[str, float]]:
        return {
            name: {"value": each.value, "low": each.low, "high": each.high}
            for name, each in figures.items()
        }

    return {
        "model": trial.model,
        "corpora": trial.corpora,
        "clips": len(trial.with_gate.clips),
        "speakers": len(set(trial.with_gate.speakers)),
        "warnings": trial.warnings,
        "refused": trial.refused,
        "unknown": trial.unknown,
        "metrics": plain(measured),
        "with_gate": plain(gated),
    }


def _show(trial: Trial, measured: dict[str, Interval], gated: dict[str, Interval]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from sottovoce.learn.evaluate.report import TITLES, describe

    console = Console(markup=False, highlight=False, emoji=False)
    for warning in trial.warnings:
        console.print(f"Note: {warning}", style="bold yellow")
    answered = trial.answered
    console.print(
        f"{trial.model} on {', '.join(trial.corpora)}: {len(answered.clips)} clips of "
        f"{len(set(answered.speakers))} speakers"
    )
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("figure")
    table.add_column("value (95 % interval over speakers)", justify="right")
    for name, interval in measured.items():
        table.add_row(
            TITLES.get(name, name.replace("recall_", "recall, ")), describe(name, interval)
        )
    if trial.refused:
        for name, interval in gated.items():
            table.add_row(f"{TITLES[name]} with the gate", describe(name, interval))
    console.print(table)
