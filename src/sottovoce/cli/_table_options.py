"""Options that name the columns of a table of clips, for every command that takes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sottovoce.errors import CorpusError

if TYPE_CHECKING:
    from sottovoce.learn.corpora.table import TableSpec

PathColumn = Annotated[
    str, typer.Option("--path-column", help="Of a table: paths, relative to the table.")
]
LabelColumn = Annotated[
    str, typer.Option("--label-column", help="Of a table: emotions, by name or number.")
]
SpeakerColumn = Annotated[str, typer.Option("--speaker-column", help="Of a table: speakers.")]
SexColumn = Annotated[str, typer.Option("--sex-column", help="Of a table: male or female.")]
SplitColumn = Annotated[
    str, typer.Option("--split-column", help="Of a table: train, validation or test.")
]
Numbers = Annotated[
    str, typer.Option(help="Of a table: the emotions that 0, 1, 2 ... stand for, e.g. sad,happy.")
]


def table_spec(corpora: Sequence[str], *, numbers: str, **columns: str) -> TableSpec:
    """What the options say, as a recipe's `[table]` says it.

    Args:
        corpora: the corpora that are read.
        numbers: emotions with commas between.
        columns: the column for each key of `[table]`.

    Raises:
        CorpusError: a column is named, and none of the corpora is a table.
    """
    from sottovoce.learn.corpora.table import DEFAULT, TableSpec

    emotions = tuple(each.strip() for each in numbers.split(",") if each.strip())
    spec = TableSpec.model_validate({**columns, "numbers": emotions})
    if spec != DEFAULT and "table" not in corpora:
        raise CorpusError(
            f"columns are named for a table, and here is {', '.join(corpora)}; give the table as "
            "the corpus table"
        )
    return spec


def scan_options(corpus: str, spec: TableSpec) -> dict[str, Any]:
    """What `corpora.scan` takes for this corpus beside its folder."""
    return {"columns": spec} if corpus == "table" else {}
