"""From what stands on the command line to recordings: files, folders, patterns, standard input."""

import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO, cast

from sottovoce.text import display_path

# fmt: off
SUFFIXES = (
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au",
    ".caf", ".w64", ".rf64", ".m4a", ".mp4", ".webm", ".mka",
)
# fmt: on
"""What is taken for audio in a folder; a file named on the command line is taken in any case."""


SPOOL_BYTES = 8_000_000
"""Of standard input that are kept in memory; with more it goes to a file without a name."""


class _StandardInput(tempfile.SpooledTemporaryFile[bytes]):
    """A copy of standard input, under the name that it has on the command line."""

    name = "-"


@dataclass(frozen=True, slots=True)
class RecordingArgument:
    """One recording that was named on the command line, or a name without one and why."""

    path: str
    problem: str = ""

    def source(self, stack: ExitStack) -> str | BinaryIO:
        """What `Model.predict` takes: the path, or the whole of standard input for "-".

        Args:
            stack: closes what is opened.
        """
        if self.path != "-":
            return self.path
        copy = stack.enter_context(_StandardInput(SPOOL_BYTES))
        shutil.copyfileobj(sys.stdin.buffer, copy)
        return cast(BinaryIO, copy)


def expand(arguments: Iterable[str]) -> Iterator[RecordingArgument]:
    """The recordings that the arguments stand for, in their order, folders and patterns sorted."""
    for argument in arguments:
        if not glob.has_magic(argument) or os.path.lexists(argument):
            yield from _folder_or_file(argument)
        elif matches := sorted(glob.glob(argument, recursive=True)):  # noqa: PTH207
            for match in matches:
                yield from _folder_or_file(match)
        else:
            yield RecordingArgument(
                argument, f"{display_path(argument)}: no file matches this pattern"
            )


def _folder_or_file(path: str) -> Iterator[RecordingArgument]:
    if not os.path.isdir(path):  # noqa: PTH112 - takes any string, where Path.is_dir can raise
        yield RecordingArgument(path)
        return
    closed: list[OSError] = []
    found = sorted(
        os.path.join(folder, name)  # noqa: PTH118 - keeps the path as it was typed
        for folder, _, names in os.walk(path, onerror=closed.append)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    )
    yield from map(RecordingArgument, found)
    for error in closed:
        where = str(error.filename)
        yield RecordingArgument(
            where, f"{display_path(where)}: cannot be opened ({error.strerror})"
        )
    if not found and not closed:
        kinds = "wav, flac, ogg, opus, mp3, m4a, webm ..."
        yield RecordingArgument(
            path, f"{display_path(path)}: a folder without audio; looked for {kinds}"
        )
