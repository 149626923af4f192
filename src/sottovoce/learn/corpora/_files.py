"""Walks the folder of a corpus."""

import os
from pathlib import Path

from sottovoce.errors import CorpusError
from sottovoce.text import display_path

AUDIO = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm"}
    | {".aif", ".aiff", ".aifc", ".au", ".caf", ".w64"}
)
"""Extensions, in small letters, of files that may hold a clip."""


def files(folder: Path) -> list[Path]:
    """Every file under `folder`, in order of path, hidden ones apart; links are followed once.

    Raises:
        CorpusError: `folder` is not there, is not a folder, cannot be listed, or has no audio
            file under it.
    """
    if not folder.exists():
        raise CorpusError(
            f"{display_path(folder)}: no such folder; give the folder in which the corpus lies"
        )
    if not folder.is_dir():
        raise CorpusError(
            f"{display_path(folder)}: not a folder; give the folder in which the corpus lies"
        )
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    if not any(path.suffix.lower() in AUDIO for path in found):
        raise CorpusError(f"{display_path(folder)}: no audio file in this folder or below it")
    return sorted(found)


def _refuse(error: OSError) -> None:
    """Stop at a folder that cannot be listed: its clips would be missing without a word."""
    where = display_path(error.filename)
    raise CorpusError(f"{where}: cannot list this folder: {error.strerror}") from error
