"""`undertone corpus`: which corpora can be read, what is in a copy of one, all in one table."""

from __future__ import annotations

import csv
import json
import os
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undertone.cli.evaluate import corpus_folder
from undertone.display import display_path
from undertone.errors import CorpusError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from undertone.learn.corpora import Clip, CorpusScan

EXAMPLES = 5
"""So many problems of a kind are shown to people; --json gives them all."""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    corpus = typer.Typer(no_args_is_help=True, help="Look into corpora of labelled speech.")
    corpus.command("list")(list_corpora)
    corpus.command("scan")(scan)
    corpus.command("table")(table)
    app.add_typer(corpus, name="corpus")


COLUMNS = (
    *("corpus", "emotion", "speaker", "sex", "file"),
    *("intensity", "text", "language", "duration"),
)
"""Of the table of clips."""


def list_corpora(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List the corpora that can be read, with their licences."""
    from undertone.learn import corpora

    rows = [(name, corpora.licence(name), corpora.summary(name)) for name in corpora.known()]
    if as_json:
        for name, licence, summary in rows:
            typer.echo(json.dumps({"corpus": name, "licence": licence, "summary": summary}))
        return
    shown = _table("corpus", "licence", "what it is")
    for row in rows:
        shown.add_row(*row)
    _console().print(shown)


def scan(
    corpus: Annotated[str, typer.Argument(help="Name of the corpus; see `undertone corpus list`.")],
    folder: Annotated[Path, typer.Argument(help="The folder in which the corpus lies.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count the clips of a corpus by emotion, speaker, sex and length, and say what is wrong."""
    from undertone.learn import corpora

    with _progress() as progress:
        found = corpora.scan(corpus, folder, progress=progress)
    record = summarise(found)
    if as_json:
        typer.echo(json.dumps(record))
    else:
        _show(record)


def table(
    data: Annotated[
        list[str], typer.Option(help="A corpus and its folder, e.g. ravdess=DIR; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="Write the table here: .csv, or .tsv with tabs.")],
) -> None:
    """Write one table of the clips of several corpora; files are named relative to the table."""
    from undertone.learn import corpora

    separators = {".csv": ",", ".tsv": "\t"}
    if out.suffix.lower() not in separators:
        raise CorpusError(f"--out {display_path(out)}: expected a name that ends in .csv or .tsv")
    clips: list[Clip] = []
    for each in data:
        with _progress() as progress:
            clips += corpora.scan(*corpus_folder(each), progress=progress).clips
    draft = out.with_name(out.name + ".part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, delimiter=separators[out.suffix.lower()], lineterminator="\n")
            rows.writerow(COLUMNS)
            rows.writerows(_row(clip, out.parent) for clip in clips)
        draft.replace(out)
    except OSError as error:
        raise CorpusError(f"{display_path(out)}: cannot write: {error.strerror}") from error
    typer.echo(f"{display_path(out)}: {len(clips)} clips of {len(data)} corpora")


def _row(clip: Clip, folder: Path) -> list[str]:
    """The cells of a clip, in the order of `COLUMNS`."""
    file = Path(os.path.relpath(clip.path.absolute(), folder.absolute())).as_posix()
    cells = (clip.corpus, clip.emotion, clip.speaker, clip.sex, file)
    return [*cells, clip.intensity, clip.text, clip.language, f"{clip.duration:.3f}"]


def summarise(found: CorpusScan) -> dict[str, Any]:
    """Plain values: counts by emotion and sex, speakers, lengths in seconds, problems."""
    from undertone.emotions import EMOTIONS
    from undertone.learn.corpora import licence

    emotions: dict[str, Counter[str]] = defaultdict(Counter)
    speakers: dict[str, dict[str, Any]] = {}
    for clip in found.clips:
        emotions[clip.emotion][clip.sex or "unknown"] += 1
        speaker = speakers.setdefault(
            clip.speaker, {"sex": clip.sex or "unknown", "clips": 0, "seconds": 0.0}
        )
        speaker["clips"] += 1
        speaker["seconds"] += clip.duration
    durations = [clip.duration for clip in found.clips]
    return {
        "corpus": found.corpus,
        "folder": display_path(found.folder),
        "licence": licence(found.corpus),
        "clips": len(found.clips),
        "emotions": {name: dict(emotions[name]) for name in EMOTIONS if name in emotions},
        "speakers": dict(sorted(speakers.items())),
        "seconds": {
            "min": min(durations),
            "median": statistics.median(durations),
            "max": max(durations),
            "total": sum(durations),
        },
        "problems": [
            {
                "kind": problem.kind,
                "path": None if problem.path is None else display_path(problem.path),
                "message": problem.message,
            }
            for problem in found.problems
        ],
    }


def _show(record: dict[str, Any]) -> None:
    console = _console()
    seconds = record["seconds"]
    console.print(
        f"{record['corpus']} in {record['folder']}: {record['clips']} clips, "
        f"{len(record['speakers'])} speakers, {seconds['total'] / 60:.1f} min "
        f"(licence {record['licence']})"
    )
    console.print(
        f"length of a clip: {seconds['min']:.2f} s to {seconds['max']:.2f} s, "
        f"median {seconds['median']:.2f} s"
    )
    console.print(_by_emotion(record))
    console.print(_by_speaker(record))
    _show_problems(console, record)


def _by_emotion(record: dict[str, Any]) -> Table:
    counts = record["emotions"]
    sexes = sorted({sex for by_sex in counts.values() for sex in by_sex})
    table = _table("emotion", *sexes, "all", numbers=True)
    for emotion, by_sex in counts.items():
        row = [by_sex.get(sex, 0) for sex in sexes]
        table.add_row(emotion, *map(str, row), str(sum(row)))
    table.add_section()
    totals = [sum(by_sex.get(sex, 0) for by_sex in counts.values()) for sex in sexes]
    table.add_row("all", *map(str, totals), str(sum(totals)))
    return table


def _by_speaker(record: dict[str, Any]) -> Table:
    table = _table("speaker", "sex", "clips", "minutes", numbers=True)
    for name, speaker in record["speakers"].items():
        minutes = f"{speaker['seconds'] / 60:.1f}"
        table.add_row(name, speaker["sex"], str(speaker["clips"]), minutes)
    return table


def _show_problems(console: Console, record: dict[str, Any]) -> None:
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for problem in record["problems"]:
        kinds[problem["kind"]].append(problem)
    if not kinds:
        console.print("nothing wrong found")
    for kind, problems in kinds.items():
        console.print(f"{kind}: {len(problems)}", style="bold")
        for problem in problems[:EXAMPLES]:
            path = (problem["path"] or "").removeprefix(record["folder"]).lstrip("/\\")
            console.print(f"  {path}{': ' if path else ''}{problem['message']}", soft_wrap=True)
        if len(problems) > EXAMPLES:
            console.print(f"  and {len(problems) - EXAMPLES} more; --json lists all")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, shown only where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("decoding", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _console() -> Console:
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def _table(*columns: str, numbers: bool = False) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        right = numbers and place > 0 and column != "sex"
        table.add_column(column, justify="right" if right else "left")
    return table
