"""`sottovoce evaluate`: how good a model file is on labelled corpora, with intervals."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli import say
from sottovoce.cli._corpus_options import scan_options
from sottovoce.cli._learn_options import DataFolders, existing_folders, requires_extras
from sottovoce.cli._options import takes_options
from sottovoce.cli._progress import progress
from sottovoce.errors import RecipeError
from sottovoce.options import TableSpec

if TYPE_CHECKING:
    from sottovoce.learn.evaluate.evaluate_model import ModelEvaluation
    from sottovoce.learn.evaluate.intervals import Interval
    from sottovoce.learn.evaluate.report import Run


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("evaluate")(evaluate)


@takes_options(columns=TableSpec)
def evaluate(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a model.")],
    data: DataFolders,
    out: Annotated[
        Path | None, typer.Option(help="Write the report (figures, CSV, pictures) here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    criteria: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LEAST",
            help="What it must reach, in place of its recipe's criteria: accuracy=0.8, "
            "weighted_f1=0.8, uar=0.7, recall=0.75 (of every label); may be repeated.",
            show_default="those of its recipe",
        ),
    ] = None,
    tta: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Test-time augmentation: the mean over each clip and N - 1 copies, changed as "
            "its recipe changes them in training.",
        ),
    ] = 1,
    *,
    columns: TableSpec,
) -> None:
    """Measure a model on labelled corpora: UAR and more, with 95 % intervals over speakers.

    Exit status: 0 done, and every criterion reached, where there are any; 1 one was not; 2 it could
    not be done, or wrong usage.
    """
    with requires_extras("evaluate", "learn"):
        from sottovoce.learn.corpora import scan
        from sottovoce.learn.evaluate.criteria import NO_CRITERIA, check_criteria, parse_criteria
        from sottovoce.learn.evaluate.evaluate_model import evaluate_model
        from sottovoce.learn.evaluate.intervals import intervals
        from sottovoce.learn.evaluate.report import write_report
        from sottovoce.learn.evaluate.test_time import changed_copies
        from sottovoce.learn.recipe.recipe import Recipe
    from sottovoce.models.registry import load

    given = parse_criteria(criteria) if criteria else None
    opened = load(model)
    folders = existing_folders(data)
    options = scan_options(folders, columns)
    scans = [scan(corpus, folder, **options[corpus]) for corpus, folder in folders.items()]
    asked = NO_CRITERIA
    with suppress(RecipeError):  # a model file from elsewhere may have no recipe of ours
        asked = Recipe.parse(opened.card.recipe).criteria
    asked = given or asked
    copies = changed_copies(opened.card, tta - 1)
    with progress() as report:
        evaluation = evaluate_model(opened, scans, report, copies=copies)
    measured = intervals(evaluation.answered)
    checks = check_criteria(asked, {name: interval.value for name, interval in measured.items()})
    gated = {name: intervals(evaluation.with_gate)[name] for name in ("uar", "accuracy")}
    run = replace(_run(evaluation), criteria=asked)
    if out is not None:
        write_report(out, run)
    if as_json:
        passed = {check.name: check.passed for check in checks}
        short = {check.name: check.shortfall for check in checks if not check.passed}
        judged = {"criteria": passed, "shortfall": short}
        typer.echo(json.dumps(_record(evaluation, measured, gated) | judged))
    else:
        _show(evaluation, run, measured, gated)
        for check in checks:
            say(check)
    if not all(check.passed for check in checks):
        raise typer.Exit(1)


def _run(evaluation: ModelEvaluation) -> Run:
    """The evaluation as a run of one seed and one fold, for the report."""
    from sottovoce.learn.evaluate.report import Run, SeedRun

    all_rows = {"all": range(len(evaluation.answered.clips))}
    return Run(
        name=evaluation.model,
        protocol=f"all clips of {' and '.join(evaluation.corpora)}",
        optimistic=bool(evaluation.shared_speakers),
        seeds=(SeedRun(0, evaluation.answered, all_rows),),
        note=" ".join(evaluation.warnings),
    )


def _record(
    evaluation: ModelEvaluation, measured: dict[str, Interval], gated: dict[str, Interval]
) -> dict[str, object]:
    return {
        "model": evaluation.model,
        "corpora": evaluation.corpora,
        "clips": len(evaluation.with_gate.clips),
        "speakers": evaluation.with_gate.num_speakers,
        "warnings": evaluation.warnings,
        "refused": evaluation.refused,
        "unknown": evaluation.unknown,
        "metrics": {name: asdict(interval) for name, interval in measured.items()},
        "with_gate": {name: asdict(interval) for name, interval in gated.items()},
    }


def _show(
    evaluation: ModelEvaluation,
    run: Run,
    measured: dict[str, Interval],
    gated: dict[str, Interval],
) -> None:
    from rich import box
    from rich.table import Table

    from sottovoce.cli._output import new_console
    from sottovoce.learn.evaluate.report import (
        TITLES,
        format_interval,
        metric_title,
        speaker_count,
    )

    console = new_console(markup=False)
    for warning in evaluation.warnings:
        console.print(f"Note: {warning}", style="bold yellow")
    answered = evaluation.answered
    console.print(
        f"{evaluation.model} on {', '.join(evaluation.corpora)}: {len(answered.clips)} clips of "
        f"{speaker_count(answered.num_speakers)}"
    )
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("figure")
    unit = "speakers" if run.over_speakers else "clips: optimistic"
    table.add_column(f"value (95 % interval over {unit})", justify="right")
    for name, interval in measured.items():
        table.add_row(metric_title(name), format_interval(name, interval))
    if evaluation.refused:
        for name, interval in gated.items():
            table.add_row(f"{TITLES[name]} with the gate", format_interval(name, interval))
    console.print(table)
