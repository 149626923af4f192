"""`sottovoce audit`: is a model correct, fair and robust enough, by published requirements."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
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
    if json_file:
        text = json.dumps(_record(found), indent=2)
        if json_file == "-":
            typer.echo(text)
        else:
            write_atomically(Path(json_file), text + "\n")
    if report is not None:
        _write_html(found, report)
    if json_file != "-":
        from rich.console import Console

        _show(found, Console(markup=False, highlight=False, emoji=False))
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
        write_atomically(path, console.export_html(inline_styles=True))


def _show(found: Audit, console: Console) -> None:
    from rich import box
    from rich.table import Table

    console.print(f"Audit of {found.model}")
    for note in found.notes:
        console.print(f"Note: {note}", style="bold yellow")
    for area, of_area in groupby(found.requirements, lambda requirement: requirement.area):
        table = Table(box=box.SIMPLE_HEAD, title=area, title_justify="left")
        for name in ("corpus", "test", "figure (95 % interval)", "required", "verdict", "source"):
            table.add_column(name, overflow="fold")
        for _, same_test in groupby(of_area, lambda r: (r.corpus, r.test)):
            _add_row(table, list(same_test))
        console.print(table)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(found.counts.items()))
    console.print(
        f"{len(found.requirements)} requirements: {counts}. An emotion counts as one; shown is "
        "the worst. Sources are tests of ser-tests (arXiv 2312.06270); (b): borrowed from a test "
        "of something else."
    )
    if any(requirement.trained_on for requirement in found.requirements):
        console.print("(trained on): the model knows speakers of this corpus; optimistic.")


def _add_row(table: Table, requirements: list[Requirement]) -> None:
    """One line a test; of several emotions, the one that is furthest from passing."""
    from rich.text import Text

    measured = [r for r in requirements if r.figure] or requirements
    worst = min(measured, key=_margin)
    corpus = worst.corpus + (" (trained on)" if worst.trained_on else "")
    test = worst.test
    if len(requirements) > 1:
        passed = sum(r.verdict == "passed" for r in requirements)
        test += f": {passed} of {len(requirements)} passed; {worst.emotion}"
    elif worst.emotion:
        test += f": {worst.emotion}"
    if worst.reason:
        test += f" ({worst.reason})"
    threshold = worst.threshold
    table.add_row(
        *map(Text, (corpus, test, _figure(worst), _required(worst))),
        Text(worst.verdict, STYLES[worst.verdict]),
        Text(threshold.source + (" (b)" if threshold.borrowed else "") if threshold else ""),
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
