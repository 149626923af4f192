"""`sottovoce audit`: is a model correct, fair and robust enough, by published requirements."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli._corpus_options import scan_options
from sottovoce.cli._learn_options import DataFolders, existing_folders, requires_extras
from sottovoce.cli._options import takes_options
from sottovoce.cli._progress import progress
from sottovoce.errors import CorpusError
from sottovoce.options import TableSpec
from sottovoce.system import write_atomically

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sottovoce.learn.evaluate.audit.requirements import Audit, Requirement

STYLES = {"passed": "green", "failed": "bold red", "no threshold": "", "not possible": "dim"}
REPORT_WIDTH = 150
"""Characters of a line of the HTML report."""
TRAINED_ON = "(trained on speakers of it)"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("audit")(audit)


@takes_options(columns=TableSpec)
def audit(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a model.")],
    data: DataFolders,
    clips: Annotated[
        int, typer.Option(min=0, help="Clips of each corpus at most; 0 takes all.")
    ] = 300,
    json_file: Annotated[
        str, typer.Option("--json", metavar="FILE", help="Write JSON here; - for standard output.")
    ] = "",
    report: Annotated[Path | None, typer.Option(help="Write the table here, as HTML.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 1 if a requirement fails.")
    ] = False,
    *,
    columns: TableSpec,
) -> None:
    """Test a model on labelled corpora for correctness, fairness and robustness."""
    with requires_extras("audit", "learn"):
        from sottovoce.learn.corpora import scan
        from sottovoce.learn.data.dataset import NOISE, decode_noise
        from sottovoce.learn.evaluate.audit.audit import audit as run_audit
        from sottovoce.learn.evaluate.audit.requirements import Verdict
    from sottovoce.models.registry import load

    opened = load(model)
    folders = existing_folders(data)
    noise_folder = folders.pop(NOISE, None)
    if not folders:
        raise CorpusError("--data names noise alone; name a labelled corpus as well")
    options = scan_options(folders, columns)
    with progress() as show:
        scans = [
            scan(
                corpus,
                folder,
                progress=lambda done, total, corpus=corpus: show(f"reading {corpus}", done, total),  # type: ignore[misc]
                **options[corpus],
            )
            for corpus, folder in folders.items()
        ]
        noise = None
        if noise_folder is not None:
            noise = decode_noise(noise_folder, opened.card.sample_rate, show)
        found = run_audit(opened, scans, noise, clips=clips, report=show)
    text = json.dumps(_record(found), indent=2)
    if json_file == "-":
        typer.echo(text)
    else:
        from sottovoce.cli._output import new_console

        _show(found, new_console(markup=False))
        if json_file:
            write_atomically(Path(json_file), text + "\n")
    if report is not None:
        _write_html(found, report)
    if strict and found.counts[Verdict.FAILED]:
        raise typer.Exit(1)


def _record(found: Audit) -> dict[str, object]:
    return {
        "model": found.model,
        "notes": found.notes,
        "counts": {str(verdict): count for verdict, count in found.counts.items()},
        "requirements": [
            {"verdict": requirement.verdict, **asdict(requirement)}
            for requirement in found.requirements
        ],
    }


def _write_html(found: Audit, path: Path) -> None:
    from rich.console import Console

    with Path(os.devnull).open("w") as nowhere:
        console = Console(
            record=True, file=nowhere, width=REPORT_WIDTH, markup=False, highlight=False
        )
        _show(found, console)
    page = console.export_html(inline_styles=True)
    head = f"<head>\n<title>Audit of {escape(found.model)}</title>"
    page = page.replace("<html>", '<html lang="en">', 1).replace("<head>", head, 1)
    write_atomically(path, page)


def _show(found: Audit, console: Console) -> None:
    from rich import box
    from rich.table import Table

    from sottovoce.learn.evaluate.audit.requirements import Verdict

    console.print(f"Audit of {found.model}")
    for note in found.notes:
        console.print(f"Note: {note}", style="bold yellow")
    measured = [one for one in found.requirements if one.figure is not None]
    for (area, corpus, trained_on), group in groupby(measured, _table_of):
        title = f"{area}: {corpus}" + (f" {TRAINED_ON}" if trained_on else "")
        table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
        for name in ("test", "figure (95 % interval)", "required", "verdict", "source"):
            table.add_column(name, overflow="fold", no_wrap=name not in ("test", "source"))
        for _, same_test in groupby(group, lambda one: one.test):
            _add_row(table, list(same_test))
        console.print(table)
    console.print("Not possible:", style="bold")
    for one in found.requirements:
        if one.figure is None:
            where = f" on {one.corpus}" if one.corpus else ""
            console.print(f"  {one.area}{where}: {one.test} ({one.reason})")
    counts = ", ".join(f"{found.counts[verdict]} {verdict}" for verdict in Verdict)
    console.print(
        f"\n{len(found.requirements)} requirements: {counts}. Each emotion counts; shown is the "
        "one that is furthest from passing. Sources are tests of ser-tests (arXiv 2312.06270); * "
        "is borrowed from its test of something similar."
    )
    if any(one.trained_on for one in found.requirements):
        console.print(f"{TRAINED_ON}: figures are optimistic; they do not say how strangers fare.")


def _table_of(one: Requirement) -> tuple[str, str, bool]:
    return one.area, one.corpus, one.trained_on


def _add_row(table: Table, requirements: list[Requirement]) -> None:
    """One line a test; of several emotions, the one that is furthest from passing."""
    from rich.text import Text

    worst = min(requirements, key=_margin)
    test = worst.test
    if len(requirements) > 1:
        passed = sum(one.verdict == "passed" for one in requirements)
        test += f": {passed} of {len(requirements)} passed; {worst.emotion}"
    if worst.reason:
        test += f" ({worst.reason})"
    threshold = worst.threshold
    source = threshold.source.partition(" ")[2] if threshold else ""  # its first word is the area
    table.add_row(
        *map(Text, (test, _figure(worst), _required(worst))),
        Text(worst.verdict, STYLES[worst.verdict]),
        Text(source + " *" * bool(threshold and threshold.borrowed)),
    )


def _margin(requirement: Requirement) -> float:
    if requirement.figure is None or requirement.threshold is None:
        return 0.0
    return requirement.threshold.margin(requirement.figure.value)


def _figure(requirement: Requirement) -> str:
    """In words: "61.2 % (55.0 to 67.1)", or of a difference "-3.1 points (-6.0 to -0.2)"."""
    interval, sign = requirement.figure, "+" if requirement.difference else ""
    if interval is None:
        return ""
    numbers = (interval.value, interval.low, interval.high)
    value, low, high = (f"{100 * number:{sign}.1f}" for number in numbers)
    return f"{value} {'points' if requirement.difference else '%'} ({low} to {high})"


def _required(requirement: Requirement) -> str:
    """In words: "above 50 %", "above -5 points", "within 7.5 points"."""
    threshold = requirement.threshold
    if threshold is None:
        return ""
    if threshold.least is None:
        return f"within {100 * (threshold.most or 0):g} points"
    return f"above {100 * threshold.least:g} {'points' if requirement.difference else '%'}"
