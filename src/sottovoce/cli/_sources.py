"""From the command line to recordings: files, folders, patterns, addresses, standard input."""

import glob
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO, cast

from sottovoce.audio import Source
from sottovoce.audio.decode import SUFFIXES
from sottovoce.audio.sources import NamedCopy, is_address
from sottovoce.text import display_path


@dataclass(frozen=True, slots=True)
class RecordingArgument:
    """One recording that was named on the command line, or a name without one and why."""

    path: str
    problem: str = ""

    def source(self, stack: ExitStack) -> Source:
        """What `Model.predict` takes: the path or address, or the whole of standard input for "-".

        Args:
            stack: closes what is opened.
        """
        if self.path != "-":
            return self.path
        copy = stack.enter_context(NamedCopy(self.path))
        shutil.copyfileobj(sys.stdin.buffer, copy)
        return cast(BinaryIO, copy)


def expand(arguments: Iterable[str]) -> Iterator[RecordingArgument]:
    """The recordings that the arguments stand for, in their order, folders and patterns sorted.

    In a folder, files are taken by their suffix; what is named is taken in any case. Pipes and
    devices are taken only where they are named: reading one may never end.
    """
    for argument in arguments:
        if is_address(argument):
            yield RecordingArgument(argument)
        elif not glob.has_magic(argument) or os.path.lexists(argument):
            yield from _folder_or_file(argument)
        elif matches := sorted(glob.glob(argument, recursive=True)):  # noqa: PTH207
            for match in filter(_may_be_read, matches):
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
        if _may_be_read(os.path.join(folder, name))  # noqa: PTH118
    )
    yield from map(RecordingArgument, found)
    for error in closed:
        where = str(error.filename)
        yield RecordingArgument(
            where, f"{display_path(where)}: cannot be opened ({error.strerror})"
        )
    if not found and not closed:
        kinds = "wav, flac, ogg, opus, mp3, m4a, mp4, webm, amr, wma ..."
        yield RecordingArgument(
            path, f"{display_path(path)}: a folder without audio; looked for {kinds}"
        )


def _may_be_read(path: str) -> bool:
    """Whether it is no pipe, socket or device; a link that leads nowhere is reported later."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
