"""The options that say where corpora lie and what the columns of a table are called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sottovoce.errors import CorpusError
from sottovoce.options import TableSpec
from sottovoce.text import display_path

COLUMNS_PANEL = "Columns of a table"


def parse_data(options: Sequence[str]) -> dict[str, Path]:
    """Read what `--data` was given: "ravdess=DIR", "table=FILE".

    Returns:
        Corpus -> its folder or file. Several tables are "table/a", "table/b" ..., for their files
        a.csv, b.csv ...

    Raises:
        CorpusError: there is no name or no folder, or a corpus is given twice.
    """
    pairs = [option.partition("=")[::2] for option in options]
    several_tables = [name for name, _ in pairs].count("table") > 1
    found: dict[str, Path] = {}
    for (name, place), option in zip(pairs, options, strict=True):
        if not name or not place:
            raise CorpusError(
                f"--data {option!r}: expected a corpus and its folder, like ravdess=DIR"
            )
        folder = Path(place)
        corpus = f"table/{folder.stem}" if several_tables and name == "table" else name
        if corpus in found:
            hint = "rename one of the two files" if several_tables else "give each corpus once"
            raise CorpusError(
                f"--data {display_path(option)}: {display_path(corpus)} is also "
                f"{display_path(found[corpus])}; {hint}"
            )
        found[corpus] = folder
    return found


def with_table_columns(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of `TableSpec`; it gets them all as `columns`."""

    def wrapped(**values: Any) -> None:
        columns = {name: values.pop(name) for name in TableSpec.model_fields}
        numbers = (emotion.strip() for emotion in columns.pop("numbers").split(","))
        spec = TableSpec(**columns, numbers=tuple(emotion for emotion in numbers if emotion))
        command(**values, columns=spec)

    signature = inspect.signature(command, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "columns"]
    wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
    wrapped.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*own, *map(_parameter, TableSpec.model_fields)]
    )
    return wrapped


def _parameter(name: str) -> inspect.Parameter:
    """The option for one field of `TableSpec`, as Typer takes it."""
    field = TableSpec.model_fields[name]
    numbers = name == "numbers"
    default = "" if numbers else field.default
    flag = "--numbers" if numbers else f"--{name}-column"
    text = f"{field.description} E.g. sad,happy." if numbers else field.description
    option = typer.Option(flag, help=text, rich_help_panel=COLUMNS_PANEL)
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[str, option])


def scan_options(corpora: Iterable[str], columns: TableSpec) -> Mapping[str, Mapping[str, Any]]:
    """Corpus -> what `corpora.scan` takes for it beside its folder.

    Raises:
        CorpusError: a column is named, and none of the corpora is a table.
    """
    from sottovoce.learn.corpora import is_table

    names = list(corpora)
    if columns != TableSpec() and not any(map(is_table, names)):
        raise CorpusError(
            f"columns are named for a table, and here is {', '.join(names)}; give the table as "
            "the corpus table"
        )
    return {name: {"columns": columns} if is_table(name) else {} for name in names}
