"""The options that say where corpora lie and what the columns of a table are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sottovoce.errors import CorpusError
from sottovoce.options import TableSpec
from sottovoce.text import display_path


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


def scan_options(corpora: Iterable[str], columns: TableSpec) -> Mapping[str, Mapping[str, Any]]:
    """Corpus -> what `corpora.scan` takes for it beside its folder.

    Raises:
        CorpusError: a column is named, and none of the corpora is a table.
    """
    from sottovoce.learn.corpora import is_own

    names = list(corpora)
    if columns != TableSpec() and not any(map(is_own, names)):
        raise CorpusError(
            f"columns are named for a table, and here is {', '.join(names)}; give the table as "
            "the corpus table"
        )
    return {name: {"columns": columns} if is_own(name) else {} for name in names}
