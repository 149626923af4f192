"""From what stands on the command line to recordings: files, folders, patterns, standard input."""

import glob
import io
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sottovoce.audio import Source
from sottovoce.text import display_path

# fmt: off
SUFFIXES = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au",
    ".caf", ".w64", ".rf64", ".m4a", ".mp4", ".webm", ".mka",
)
# fmt: on
"""What is taken for audio in a folder; a file named on the command line is taken in any case."""


@dataclass(frozen=True, slots=True)
class Named:
    """One recording to judge, or an argument with nothing to judge and why."""

    path: str
    problem: str = ""

    def source(self) -> Source:
        """What `Model.predict` takes: the path, or the whole of standard input for "-"."""
        if self.path != "-":
            return self.path
        piped = io.BytesIO(sys.stdin.buffer.read())
        piped.name = "-"
        return piped


def expand(arguments: Iterable[str]) -> Iterator[Named]:
    """The recordings that the arguments stand for, in their order, folders and patterns sorted."""
    for argument in arguments:
        if not glob.has_magic(argument) or os.path.lexists(argument):
            yield from _folder_or_file(argument)
        elif matches := sorted(glob.glob(argument, recursive=True)):  # noqa: PTH207
            for match in matches:
                yield from _folder_or_file(match)
        else:
            yield Named(argument, f"{display_path(argument)}: no file matches this pattern")


def _folder_or_file(path: str) -> Iterator[Named]:
    if not os.path.isdir(path):  # noqa: PTH112 - takes any string, where Path.is_dir can raise
        yield Named(path)
        return
    closed: list[OSError] = []
    found = sorted(
        os.path.join(folder, name)  # noqa: PTH118 - keeps the path as it was typed
        for folder, _, names in os.walk(path, onerror=closed.append)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    )
    yield from map(Named, found)
    for error in closed:
        where = str(error.filename)
        yield Named(where, f"{display_path(where)}: cannot be opened ({error.strerror})")
    if not found and not closed:
        kinds = "wav, flac, ogg, opus, mp3, m4a, webm ..."
        yield Named(path, f"{display_path(path)}: a folder without audio; looked for {kinds}")
