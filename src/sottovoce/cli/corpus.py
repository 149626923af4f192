"""`sottovoce corpus`: which corpora there are, fetch one, what is in a copy, all in one table."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli import say
from sottovoce.cli._corpus_options import parse_data, scan_options
from sottovoce.cli._corpus_view import new_table, show, summarise
from sottovoce.cli._options import takes_options
from sottovoce.cli._progress import Report, progress
from sottovoce.errors import CorpusError
from sottovoce.options import TableSpec
from sottovoce.system import write_atomically
from sottovoce.text import csv_cell, display_path

if TYPE_CHECKING:
    from sottovoce.learn.corpora import Clip, CorpusScan


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(no_args_is_help=True, callback=corpus)
    group.command("list")(list_corpora)
    group.command("scan")(scan)
    group.command("fetch")(fetch)
    group.command("table")(table)
    app.add_typer(group, name="corpus")


def corpus() -> None:
    """Fetch and read corpora."""


COLUMNS = (
    *("corpus", "emotion", "speaker", "sex", "file"),
    *("intensity", "text", "language", "duration", "start", "end"),
)
"""Of the table of clips."""

CorpusName = Annotated[str, typer.Argument(help="Name of the corpus; see `sottovoce corpus list`.")]


def list_corpora(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List the corpora that can be read, with their licences, and which `fetch` can get."""
    from sottovoce.cli._output import new_console
    from sottovoce.learn import corpora

    shown = new_table("corpus", "licence", "fetch", "what it is")
    for name in corpora.known():
        source = corpora.source(name)
        record = {
            "corpus": name,
            "licence": corpora.licence(name),
            "fetch": isinstance(source, corpora.Archive),
            "page": source.page,
            "summary": corpora.summary(name),
        }
        if as_json:
            typer.echo(json.dumps(record))
        fetched = "yes" if record["fetch"] else "no"
        shown.add_row(name, corpora.licence(name), fetched, corpora.summary(name))
    if not as_json:
        new_console(markup=False).print(shown)


@takes_options(columns=TableSpec)
def scan(
    corpus: CorpusName,
    folder: Annotated[
        Path, typer.Argument(help="The folder in which the corpus lies, or the file of a table.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    *,
    columns: TableSpec,
) -> None:
    """Count the clips of a corpus by emotion, speaker, sex and length, and say what is wrong."""
    with progress() as report:
        record = summarise(_scan(corpus, folder, report, columns))
    if as_json:
        typer.echo(json.dumps(record))
    else:
        show(record)


def fetch(
    corpus: CorpusName,
    folder: Annotated[Path, typer.Argument(help="Where it shall lie: a new or an empty folder.")],
    yes: Annotated[bool, typer.Option("--yes", help="Accept the licence unasked.")] = False,
) -> None:
    """Download a corpus, check it and unpack it, once its licence is accepted."""
    from sottovoce.learn import corpora
    from sottovoce.learn.corpora import _fetch

    source = corpora.source(corpus)
    if isinstance(source, corpora.Archive):
        _fetch.check_free(folder)
        size = f"{source.size / 1e6:.0f} MB" if source.size else "size unknown"
        licence = corpora.licence(corpus)
        if not yes and not sys.stdin.isatty():
            raise CorpusError(
                f"{corpus} has the licence {licence}, see {source.page}; nobody is here to accept "
                "it, so add --yes"
            )
        typer.echo(corpora.summary(corpus), err=True)
        typer.echo(f"Licence: {licence}; see {source.page} ({size})", err=True)
        question = f"Accept it, and fetch into {display_path(folder)}?"
        if not yes and not typer.confirm(question, err=True):
            raise CorpusError(f"the licence of {corpus} was not accepted; nothing was fetched")
    with progress(show=lambda done: f"{done / 1e6:.1f} MB") as report:
        listing = _fetch.fetch(corpus, folder, report)
    for problem in listing.problems:
        if problem.kind == "missing":
            say(f"sottovoce: {corpus}: {problem.message}", error=True)
    typer.echo(f"{display_path(folder)}: {len(listing.clips)} clips of {corpus}")


def table(
    data: Annotated[
        list[str], typer.Option(help="A corpus and its folder, e.g. ravdess=DIR; may be repeated.")
    ],
    out: Annotated[Path, typer.Option(help="Write the table here: .csv, or .tsv with tabs.")],
) -> None:
    """Write one table of the clips of several corpora; files are named relative to the table."""
    separators = {".csv": ",", ".tsv": "\t"}
    if out.suffix.lower() not in separators:
        raise CorpusError(f"--out {display_path(out)}: expected a name that ends in .csv or .tsv")
    if not out.parent.is_dir():
        raise CorpusError(f"{display_path(out)}: cannot write: its folder is not there")
    folders = parse_data(data)
    with progress() as report:
        scans = [_scan(corpus, folder, report) for corpus, folder in folders.items()]
    clips = [clip for found in scans for clip in found.clips]
    text = io.StringIO()
    rows = csv.writer(text, delimiter=separators[out.suffix.lower()], lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows(map(csv_cell, _row(clip, out.parent)) for clip in clips)
    try:
        write_atomically(out, text.getvalue())
    except OSError as error:
        raise CorpusError(f"{display_path(out)}: cannot write: {error.strerror}") from error
    typer.echo(f"{display_path(out)}: {len(clips)} clips of {len(folders)} corpora")


def _scan(
    corpus: str, folder: Path, report: Report, columns: TableSpec | None = None
) -> CorpusScan:
    from sottovoce.learn import corpora

    options = scan_options([corpus], columns or TableSpec())[corpus]
    what = f"decoding {corpus}"
    return corpora.scan(
        corpus, folder, progress=lambda done, total: report(what, done, total), **options
    )


def _row(clip: Clip, folder: Path) -> list[str]:
    """The cells of a clip, in the order of `COLUMNS`."""
    file = Path(os.path.relpath(clip.path.absolute(), folder.absolute())).as_posix()
    cells = (clip.corpus, clip.emotion, clip.speaker, clip.sex, file)
    times = [] if clip.part.is_whole else [str(clip.start), str(clip.end or "")]
    length = f"{clip.duration:.3f}"
    return [*cells, clip.intensity, clip.text, clip.language, length, *(times or ("", ""))]
