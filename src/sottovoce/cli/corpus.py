"""`sottovoce corpus`: which corpora can be read, what is in a copy of one, all in one table."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli._corpus_view import new_table, plain_console, show, summarise
from sottovoce.cli._fetch import fetch
from sottovoce.cli._learn_options import corpus_folder
from sottovoce.cli._table_options import (
    LabelColumn,
    Numbers,
    PathColumn,
    SexColumn,
    SpeakerColumn,
    SplitColumn,
    scan_options,
    table_spec,
)
from sottovoce.errors import CorpusError
from sottovoce.text import display_path

if TYPE_CHECKING:
    from sottovoce.learn.corpora import Clip


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    corpus = typer.Typer(no_args_is_help=True, help="Fetch and read corpora.")
    corpus.command("list")(list_corpora)
    corpus.command("scan")(scan)
    corpus.command("fetch")(fetch)
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
    """List the corpora that can be read, with their licences, and which `fetch` can get."""
    from sottovoce.learn import corpora
    from sottovoce.learn.corpora._sources import Archive

    shown = new_table("corpus", "licence", "fetch", "what it is")
    for name in corpora.known():
        source = corpora.source(name)
        record = {
            "corpus": name,
            "licence": corpora.licence(name),
            "fetch": isinstance(source, Archive),
            "page": source.page,
            "summary": corpora.summary(name),
        }
        if as_json:
            typer.echo(json.dumps(record))
        fetched = "yes" if record["fetch"] else "no"
        shown.add_row(name, corpora.licence(name), fetched, corpora.summary(name))
    if not as_json:
        plain_console().print(shown)


def scan(
    corpus: Annotated[str, typer.Argument(help="Name of the corpus; see `sottovoce corpus list`.")],
    folder: Annotated[
        Path, typer.Argument(help="The folder in which the corpus lies, or the file of a table.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    path: PathColumn = "file",
    label: LabelColumn = "emotion",
    speaker: SpeakerColumn = "speaker",
    sex: SexColumn = "sex",
    split: SplitColumn = "split",
    numbers: Numbers = "",
) -> None:
    """Count the clips of a corpus by emotion, speaker, sex and length, and say what is wrong."""
    from sottovoce.learn import corpora

    columns = table_spec(
        [corpus],
        path=path,
        label=label,
        speaker=speaker,
        sex=sex,
        split=split,
        numbers=numbers,
    )
    with _progress() as progress:
        found = corpora.scan(corpus, folder, progress=progress, **scan_options(corpus, columns))
    record = summarise(found)
    if as_json:
        typer.echo(json.dumps(record))
    else:
        show(record)


def table(
    data: Annotated[
        list[str], typer.Option(help="A corpus and its folder, e.g. ravdess=DIR; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="Write the table here: .csv, or .tsv with tabs.")],
) -> None:
    """Write one table of the clips of several corpora; files are named relative to the table."""
    from sottovoce.learn import corpora

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
        with suppress(OSError):
            draft.unlink()
        raise CorpusError(f"{display_path(out)}: cannot write: {error.strerror}") from error
    typer.echo(f"{display_path(out)}: {len(clips)} clips of {len(data)} corpora")


def _row(clip: Clip, folder: Path) -> list[str]:
    """The cells of a clip, in the order of `COLUMNS`."""
    file = Path(os.path.relpath(clip.path.absolute(), folder.absolute())).as_posix()
    cells = (clip.corpus, clip.emotion, clip.speaker, clip.sex, file)
    return [*cells, clip.intensity, clip.text, clip.language, f"{clip.duration:.3f}"]


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, shown only where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("decoding", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
