"""Finds the recordings that annotations name, as they were named on another machine."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from sottovoce.errors import CorpusError
from sottovoce.text import display_path

LOSSY = frozenset({".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm"})
AUDIO = LOSSY | {".wav", ".flac", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64"}
"""Extensions, in small letters, of files that may hold a recording."""

LABEL_STUDIO = ("/data/local-files/", "/data/upload/")
"""How the addresses begin under which Label Studio serves recordings."""
UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of a file that is uploaded."""


class RecordingFinder:
    """Finds recordings by their names in a table.

    As it stands; else with backslashes for slashes, in the other Unicode form, in other case, or
    without the file's extension. Addresses are looked for by the ends of their paths.

    Args:
        folder: to which names are relative.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._listed = cache(_listed)

    def find(self, name: str) -> Path | None:
        """The file of that name, or None."""
        for text in _spellings(name):
            path = Path(os.path.normpath(self._folder / text))
            if path.is_file():
                return path
            if (found := self._alike(path)) is not None:
                return found
        return None

    def _alike(self, path: Path) -> Path | None:
        """The one file whose path differs in case, Unicode form or a missing extension alone."""
        if path.parent == path:
            return None
        parent = path.parent
        if not parent.is_dir():
            found = self._alike(parent)
            if found is None:
                return None
            parent = found
        names = self._listed(parent)
        wanted = _folded(path.name)
        matches = names.get(wanted, [])
        if not matches:
            matches = [
                name
                for each in names.values()
                for name in each
                if _folded(Path(name).stem) == wanted and Path(name).suffix.lower() in AUDIO
            ]
        return parent / matches[0] if len(matches) == 1 else None


def recording_beside(file: Path) -> Path:
    """The recording that is named like a file of annotations, and lies in the same folder.

    Raises:
        CorpusError: there is none, or there are several.
    """
    stem = file.stem if Path(file.stem).suffix.lower() not in AUDIO else Path(file.stem).stem
    where = display_path(file)
    found = recordings_named(stem, file.parent)
    if not found:
        raise CorpusError(
            f"{where}: no recording beside it; expected one of the same name, such as "
            f"{display_path(stem)}.wav"
        )
    if len(found) > 1:
        names = ", ".join(display_path(path.name) for path in found)
        raise CorpusError(f"{where}: several recordings beside it ({names}); leave one there")
    return found[0]


def recordings_named(stem: str, folder: Path) -> list[Path]:
    """The recordings in a folder of this name, whatever their extension."""
    return [
        folder.absolute() / name
        for names in _listed(folder.absolute()).values()
        for name in names
        if Path(name).suffix.lower() in AUDIO and _folded(Path(name).stem) == _folded(stem)
    ]


def _spellings(name: str) -> Iterator[str]:
    """The paths that a name may stand for, the likeliest first."""
    address = urlsplit(name) if "://" in name or name.startswith(LABEL_STUDIO) else None
    if address is None:
        yield name
        if "\\" in name:
            yield name.replace("\\", "/")
        return
    path = unquote(address.path)
    if name.startswith(LABEL_STUDIO[0]):
        path = parse_qs(address.query).get("d", [""])[0]
    elif address.scheme == "file":
        yield path
    parts = PurePosixPath(path.replace("\\", "/").lstrip("/")).parts
    if name.startswith(LABEL_STUDIO[1]):
        parts = parts[-1:]
    for start in range(len(parts)):
        yield "/".join(parts[start:])
    if parts and UPLOADED.match(parts[-1]):
        yield UPLOADED.sub("", parts[-1])


def _listed(folder: Path) -> dict[str, list[str]]:
    """Folded name -> the names of what is in a folder."""
    names: dict[str, list[str]] = {}
    try:
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 - names alone
            names.setdefault(_folded(name), []).append(name)
    except OSError:
        return {}
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
