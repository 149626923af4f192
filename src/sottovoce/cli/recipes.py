"""`sottovoce recipes`: the recipes that come with Sottovoce, and a copy of one to change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli._options import Json
from sottovoce.errors import RecipeError
from sottovoce.system import checkout
from sottovoce.text import display_path


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    group = typer.Typer(invoke_without_command=True, callback=recipes)
    group.command("copy")(copy)
    app.add_typer(group, name="recipes")


def recipes(context: typer.Context, as_json: Json = False) -> None:
    """List the recipes that come with Sottovoce, or copy one to train and to change."""
    import json
    import tomllib

    from rich.text import Text

    from sottovoce.cli._output import empty_table, new_console

    if context.invoked_subcommand is not None:
        return
    console = new_console()
    table = empty_table(console)
    table.add_column("recipe", no_wrap=True)
    table.add_column("what it is")
    for name, file in available().items():
        description = tomllib.loads(file.read_text(encoding="utf-8"))["description"]
        if as_json:
            print(json.dumps({"recipe": name, "description": description}))
        table.add_row(name, Text(description))
    if not as_json:
        console.print(table)


def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `sottovoce recipes` has it.")],
    to: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE|FOLDER]", help="Where to.", show_default="NAME.toml, in this folder"
        ),
    ] = None,
) -> None:
    """Write a copy of a recipe, for `sottovoce train` and for changes; nothing is overwritten."""
    known = available()
    if name not in known:
        raise RecipeError(f"no recipe is called {name!r}; known: {', '.join(known)}")
    target = Path(f"{name}.toml") if to is None else to / f"{name}.toml" if to.is_dir() else to
    try:
        with target.open("xb") as file:
            file.write(known[name].read_bytes())
    except FileExistsError:
        raise RecipeError(
            f"{display_path(target)} is there already; name another file, or remove it"
        ) from None
    typer.echo(display_path(target))


def available() -> dict[str, Path]:
    """Name -> file of every recipe that comes with Sottovoce, sorted by name."""
    source = checkout()
    packaged = Path(__file__).parents[1] / "recipes"
    folder = packaged if packaged.is_dir() or source is None else source / "recipes"
    return {file.stem: file for file in sorted(folder.rglob("*.toml"), key=lambda file: file.stem)}
