"""A timeline written to files that other programs read; each module of this package is a format.

A module is a format if its name has no leading underscore. It describes itself in a constant
`FORMAT`, and `sottovoce timeline` has an option for it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from sottovoce.errors import SottovoceError
from sottovoce.text import display_path

if TYPE_CHECKING:
    from sottovoce.audio import Source
    from sottovoce.inference.profile import ProfileSource
    from sottovoce.models.model import Model
    from sottovoce.models.tested import Tested
    from sottovoce.results import Segment

AddSegment: TypeAlias = "Callable[[Segment], None]"
"""Takes the next segment."""


@dataclass(frozen=True, slots=True)
class ExportSubject:
    """What a file is about: a recording, and the model that hears it."""

    source: Source
    """Its path, or a seekable binary file, which may be read again after the last segment."""
    model: Model
    name: str
    """Of the recording, for people."""
    profile: ProfileSource | None = None
    """That it is judged with."""
    tested: Tested | None = None
    """What is known of the model's tests."""
    raw_csv: bool = False
    """Whether texts in CSV stay as they are where a spreadsheet would take them for formulas."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the model, in their order."""
        return self.model.labels

    @property
    def title(self) -> str:
        """The recording and the model, for people."""
        return f"{self.name} - {self.model.card.title}"


class Writer(Protocol):
    """Writes a file in one format."""

    def __call__(self, path: str, about: ExportSubject) -> AbstractContextManager[AddSegment]:
        """Open a file at once and take segments as they come.

        Leaving the context, even after an interruption, finishes the file with what came.

        Args:
            path: of the file; one that is there is replaced.
            about: the recording and the model.

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

    def open(self, path: str, about: ExportSubject) -> AbstractContextManager[AddSegment]:
        """A writer's context, after a check of the file's name; see `Writer`.

        Raises:
            SottovoceError: the name ends with none of the suffixes.
        """
        self.check_name(path)
        return self.writer(path, about)

    def check_name(self, path: str) -> None:
        """Check that a file's name ends with one of the suffixes.

        Raises:
            SottovoceError: it does not.
        """
        if self.suffixes and Path(path).suffix.lower() not in self.suffixes:
            expected = ", ".join(self.suffixes)
            raise SottovoceError(f"{display_path(path)}: not {self.content}; expected {expected}")


def export_formats() -> dict[str, ExportFormat]:
    """Every format by its name, in order of the names."""
    modules = (entry.name for entry in pkgutil.iter_modules(__path__))
    found = [
        importlib.import_module(f"{__name__}.{module}").FORMAT
        for module in modules
        if not module.startswith("_")
    ]
    return {str(format_.name): format_ for format_ in sorted(found, key=lambda f: str(f.name))}
