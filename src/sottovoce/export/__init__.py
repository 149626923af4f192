"""A timeline written to files that other programs read; each module of this package is a format.

A module is a format if its name has no leading underscore. It describes itself in a constant
`FORMAT`, and `sottovoce timeline` has an option for it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sottovoce.errors import SottovoceError
from sottovoce.text import display_path

if TYPE_CHECKING:
    from sottovoce.results import Segment

AddSegment: TypeAlias = "Callable[[Segment], None]"
"""Takes the next segment."""


class Writer(Protocol):
    """Writes a file in one format."""

    def __call__(
        self, path: str, labels: Sequence[str], title: str
    ) -> AbstractContextManager[AddSegment]:
        """Open a file at once and take segments as they come.

        Leaving the context, even after an interruption, finishes the file with what came.

        Args:
            path: of the file; one that is there is replaced.
            labels: of the model, in their order.
            title: of the recording and the model, for people.

        Raises:
            SottovoceError: the file cannot be written.
            MissingExtraError: a package that the format needs is not installed.
        """
        ...


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format that a timeline can be written in."""

    name: str
    """Of the option on the command line, without its dashes."""
    help: str
    """One sentence for people."""
    writer: Writer
    suffixes: tuple[str, ...] = ()
    """That a file's name may end with; any if empty."""
    content: str = "this format"
    """What such a file is, in the message for a name that ends otherwise."""

    def open(
        self, path: str, labels: Sequence[str], title: str
    ) -> AbstractContextManager[AddSegment]:
        """A writer's context, after a check of the file's name; see `Writer`.

        Raises:
            SottovoceError: the name ends with none of the suffixes.
        """
        if self.suffixes and Path(path).suffix.lower() not in self.suffixes:
            expected = ", ".join(self.suffixes)
            raise SottovoceError(f"{display_path(path)}: not {self.content}; expected {expected}")
        return self.writer(path, labels, title)


def export_formats() -> dict[str, ExportFormat]:
    """Every format by its name, in order of the names."""
    modules = (entry.name for entry in pkgutil.iter_modules(__path__))
    found = [
        importlib.import_module(f"{__name__}.{module}").FORMAT
        for module in modules
        if not module.startswith("_")
    ]
    return {str(format_.name): format_ for format_ in sorted(found, key=lambda f: str(f.name))}
