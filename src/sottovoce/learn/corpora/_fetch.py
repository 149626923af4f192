"""Fetches a corpus from its owners' archive and unpacks it."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from sottovoce.download import download
from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Listing, listing, source
from sottovoce.learn.corpora._sources import ByHand
from sottovoce.learn.corpora._unpack import unpack
from sottovoce.text import display_path

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how many bytes are done, and of how many."""


def fetch(
    corpus: str, folder: Path, progress: Progress = lambda what, done, total: None
) -> Listing:
    """Fetch a corpus into a folder that is not there yet, or is empty.

    The archive lies beside the folder, named for it, until it is unpacked; a run that was cut is
    gone on with by the next one.

    Returns:
        What the names in the folder say.

    Raises:
        CorpusError: the corpus is not known or not to be fetched, or something is in the folder.
        DownloadError: it cannot be fetched or unpacked.
    """
    where = source(corpus)
    if isinstance(where, ByHand):
        words = where.words.replace("DIR", shlex.quote(os.fspath(folder)))
        raise CorpusError(f"{corpus}: {words}")
    check_free(folder)
    folder = Path(os.path.normpath(folder.absolute()))
    archive = folder.with_name(f"{folder.name}.zip")
    download(
        where.url,
        archive,
        digest=where.digest,
        size=where.size,
        progress=lambda done, total: progress("fetching", done, total),
    )
    unpack(archive, folder, lambda done, total: progress("unpacking", done, total))
    archive.unlink()
    return listing(corpus, folder)


def check_free(folder: Path) -> None:
    """Stop where something would be written over.

    Raises:
        CorpusError: the folder is a file, or something is in it.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise CorpusError(
            f"{display_path(folder)}: something is here already; give a new or an empty folder"
        )
