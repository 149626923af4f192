"""`sottovoce cache`: what is kept to save time, how large it is, and how to be rid of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli._options import Json
from sottovoce.errors import SottovoceError
from sottovoce.system import cache_folder
from sottovoce.text import display_path

KINDS = {
    "clips": "recordings of corpora, decoded",
    "contents": "what was found in the files of corpora",
    "downloads": "archives of corpora, begun or done",
    "encoders": "pretrained encoders, made by `sottovoce encoder`",
    "features": "features of recordings, for training",
}
"""Folder of the cache -> what is in it. Everything can be made or fetched again."""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(invoke_without_command=True, callback=cache)
    group.command("clear")(clear)
    app.add_typer(group, name="cache")


def cache(context: typer.Context, as_json: Json = False) -> None:
    """Show what is kept to save time and how large it is, or clear it."""
    import json

    from sottovoce.cli._output import empty_table, new_console

    if context.invoked_subcommand is not None:
        return
    sizes = {kind: size(cache_folder() / kind) for kind in kinds()}
    if as_json:
        for kind, number in sizes.items():
            print(json.dumps({"kind": kind, "bytes": number, "path": str(cache_folder() / kind)}))
        return
    console = new_console()
    console.print(f"{display_path(cache_folder())}: {megabytes(sum(sizes.values()))}", markup=False)
    table = empty_table(console)
    table.add_column("kind")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("what it is")
    for kind, number in sizes.items():
        table.add_row(kind, megabytes(number), KINDS.get(kind, ""))
    if sizes:
        console.print(table)


def clear(
    kind: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND]...", help="As `sottovoce cache` has it; all if not given."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete what is kept; it is made or fetched again when it is needed."""
    import shutil
    import sys

    folder = cache_folder()
    known = kinds()
    for name in kind or ():
        if name not in KINDS and name not in known:
            raise SottovoceError(f"the cache has no {name!r}; it knows {', '.join(KINDS)}")
    chosen = [name for name in known if not kind or name in kind]
    amount = megabytes(sum(size(folder / name) for name in chosen))
    if not chosen:
        typer.echo(f"{display_path(folder)}: there is nothing to clear")
        return
    if not yes and not sys.stdin.isatty():
        raise SottovoceError("nobody is here to say yes; add --yes")
    question = f"Delete {', '.join(chosen)} ({amount}) in {display_path(folder)}?"
    if not yes and not typer.confirm(question, err=True):
        raise SottovoceError("nothing was deleted")
    for name in chosen:
        shutil.rmtree(folder / name)
    typer.echo(f"{amount} deleted")


def kinds() -> list[str]:
    """The kinds of things that are kept; no other folder is looked at, and none deleted."""
    return [kind for kind in KINDS if (cache_folder() / kind).is_dir()]


def size(folder: Path) -> int:
    """Bytes of the files in a folder, to the bottom."""
    return sum(_bytes(Path(place, name)) for place, _, names in os.walk(folder) for name in names)


def _bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except FileNotFoundError:  # another process took it away
        return 0


def megabytes(number: int) -> str:
    """Write a number of bytes: "573.1 MB"."""
    return f"{number / 1e6:.1f} MB"
