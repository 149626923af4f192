"""What a scan of a corpus found, as plain values and as tables for people."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from sottovoce.text import display_path

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sottovoce.learn.corpora import CorpusScan

EXAMPLES = 5
"""So many problems of a kind are shown to people; --json gives them all."""


def summarise(found: CorpusScan) -> dict[str, Any]:
    """Plain values: counts by emotion and sex, speakers, lengths in seconds, problems."""
    from sottovoce.emotions import in_order
    from sottovoce.learn.corpora import licence

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
        "emotions": {name: dict(emotions[name]) for name in in_order(emotions)},
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


def show(record: dict[str, Any]) -> None:
    """Print what `summarise` gives."""
    console = plain_console()
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
    table = new_table("emotion", *sexes, "all", numbers=True)
    for emotion, by_sex in counts.items():
        row = [by_sex.get(sex, 0) for sex in sexes]
        table.add_row(emotion, *map(str, row), str(sum(row)))
    table.add_section()
    totals = [sum(by_sex.get(sex, 0) for by_sex in counts.values()) for sex in sexes]
    table.add_row("all", *map(str, totals), str(sum(totals)))
    return table


def _by_speaker(record: dict[str, Any]) -> Table:
    table = new_table("speaker", "sex", "clips", "minutes", numbers=True)
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


def plain_console() -> Console:
    """A console on stdout that takes every text as it is."""
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False)


def new_table(*columns: str, numbers: bool = False) -> Table:
    """An empty table; with `numbers`, columns after the first are set right, but for the sex."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        right = numbers and place > 0 and column != "sex"
        table.add_column(column, justify="right" if right else "left")
    return table
