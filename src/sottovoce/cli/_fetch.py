"""`sottovoce corpus fetch`: a corpus from its owners' archive, once its licence is accepted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sottovoce.errors import CorpusError
from sottovoce.text import display_path


def fetch(
    corpus: Annotated[str, typer.Argument(help="Name of the corpus; see `sottovoce corpus list`.")],
    folder: Annotated[Path, typer.Argument(help="Where it shall lie: a new or an empty folder.")],
    yes: Annotated[bool, typer.Option("--yes", help="Accept the licence unasked.")] = False,
) -> None:
    """Download a corpus, check it and unpack it; a download that was cut is gone on with."""
    from sottovoce.learn import corpora
    from sottovoce.learn.corpora._fetch import check_free
    from sottovoce.learn.corpora._fetch import fetch as fetch_corpus
    from sottovoce.learn.corpora._sources import Archive

    source = corpora.source(corpus)
    if isinstance(source, Archive):
        check_free(folder)
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
    with _progress() as progress:
        found = fetch_corpus(corpus, folder, progress)
    for problem in found.problems:
        if problem.kind == "missing":
            typer.echo(f"sottovoce: {corpus}: {problem.message}", err=True)
    typer.echo(f"{display_path(folder)}: {len(found.clips)} clips of {corpus}")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar for each step on standard error, shown only where that is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    speed = (TransferSpeedColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(
        *columns, *speed, console=console, transient=True, disable=not console.is_terminal
    ) as bar:

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show
