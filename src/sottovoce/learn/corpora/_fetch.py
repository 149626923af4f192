"""Fetches a corpus from its owners' archive and unpacks it: all of it or nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sottovoce.errors import CorpusError, DownloadError, MissingExtraError
from sottovoce.learn.corpora import Archive, Listing, ManualDownload, listing, source
from sottovoce.system import cache_folder
from sottovoce.text import display_path, one_line

if TYPE_CHECKING:
    import requests

BytesReport = Callable[[str, int, int | None], None]
"""Called with what is being done, how many bytes are done, and of how many, where that is known."""

RETRIES = 2
"""How often a download is tried again, from its first byte, after a cut or a wrong checksum."""
TIMEOUT = 30.0
"""s without a byte after which a connection counts as cut."""
CHUNK = 1 << 13
"""Bytes read, written and reported at a time."""
TRY_AGAIN_STATUSES = frozenset({408, 425, 429})
"""HTTP statuses below 500 after which another try may do."""
UNPACKED_LIMIT = 8 << 30
"""Bytes; no corpus here unpacks to a tenth of it."""
AGAIN = "run the same command again"


def fetch(
    corpus: str, folder: Path, progress: BytesReport = lambda what, done, total: None
) -> Listing:
    """Fetch a corpus into a folder that is not there yet, or is empty.

    The archive lies in a folder of its own in the cache until it is unpacked, so that neither
    another run nor any file of the user's is touched.

    Returns:
        What the names in the folder say.

    Raises:
        CorpusError: the corpus is not known or not to be fetched, or something is in the folder.
        DownloadError: it cannot be fetched or unpacked; nothing is left of it.
        MissingExtraError: pooch is not installed.
    """
    archive = source(corpus)
    if isinstance(archive, ManualDownload):
        instructions = archive.instructions.replace("DIR", shlex.quote(os.fspath(folder)))
        raise CorpusError(f"{corpus}: {instructions}")
    check_free(folder)
    folder = Path(os.path.normpath(folder.absolute()))
    place = cache_folder() / "downloads"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=f"{corpus}-") as private:
            file = Path(private, f"{corpus}.zip")
            download(archive, file, progress)
            place = folder
            unpack(file, folder, progress)
    except OSError as error:
        raise DownloadError(
            f"{display_path(place)}: cannot be written ({error.strerror or one_line(error)}); "
            f"make room and {AGAIN}"
        ) from error
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


def download(archive: Archive, file: Path, progress: BytesReport) -> None:
    """Download an archive, trying again from its first byte after a cut.

    Args:
        archive: where it is, over http or https, and its checksum, if any.
        file: where it goes; it appears when all of it is there and its checksum is right.
        progress: called again and again.

    Raises:
        DownloadError: the server cannot be reached or has no such file, or what it sends is not
            the file that was published.
        MissingExtraError: pooch is not installed.
        OSError: the file cannot be written.
    """
    try:
        import pooch
        import requests
    except ModuleNotFoundError as error:
        raise MissingExtraError("fetching a corpus", str(error.name), "learn") from error
    host = urlsplit(archive.url).netloc
    downloader = pooch.HTTPDownloader(
        progressbar=_DownloadProgress(progress),
        chunk_size=CHUNK,
        timeout=TIMEOUT,
        hooks={"response": lambda response, **_: _check_response(archive.url, response)},
    )
    pooch.get_logger().setLevel("ERROR")  # it writes to standard error
    downloads = pooch.create(
        path=file.parent,
        base_url="",
        registry={file.name: archive.checksum or None},
        urls={file.name: archive.url},
        retry_if_failed=RETRIES,
    )
    try:
        downloads.fetch(file.name, downloader=downloader)
    except requests.RequestException as error:
        raise DownloadError(f"cannot reach {host} ({_reason(error)}); {AGAIN}") from error
    except ValueError as error:
        raise DownloadError(
            f"{archive.url} is not what its owner published: its checksum should be "
            f"{archive.checksum}; {AGAIN}, or get it by hand from {archive.page}"
        ) from error


class _DownloadProgress:
    """What pooch calls as it would a progress bar of tqdm."""

    def __init__(self, report: BytesReport) -> None:
        self._report = report
        self._done = self._total = 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, size: int) -> None:
        """A try begins; size: bytes, 0 where the server does not say."""
        self._total = size
        self.reset()
        self.update(0)

    def reset(self) -> None:
        self._done = 0

    def update(self, size: int) -> None:
        self._done += size  # of a whole chunk, also where less came
        done = min(self._done, self._total) if self._total else self._done
        self._report("fetching", done, self._total or None)

    def close(self) -> None:
        pass


def _check_response(url: str, response: requests.Response) -> None:
    """Refuse what another try cannot mend: http after https, and a client error."""
    status = response.status_code
    insecure = url.startswith("https:") and not response.url.startswith("https:")
    if insecure or status >= 400:
        response.close()  # pooch would leave it open
    if insecure:
        raise DownloadError(f"{url} leads to {one_line(response.url)}, which is not secure")
    if 400 <= status < 500 and status not in TRY_AGAIN_STATUSES:
        answer = f"{status} {one_line(response.reason)}"
        raise DownloadError(f"{urlsplit(response.url).netloc} answered {answer} for {url}")


def _reason(error: requests.RequestException) -> str:
    """Why a server could not be reached, without the layers that passed the error on."""
    if error.response is not None:
        return f"it answered {error.response.status_code} {one_line(error.response.reason)}"
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    if isinstance(cause, OSError):
        return one_line(cause.strerror or cause)
    return "the connection was cut"


def unpack(archive: Path, folder: Path, progress: BytesReport) -> None:
    """Unpack a zip file into a folder that is not there yet, or is empty.

    The folder appears when all is there; until then a hidden folder beside it holds the files.

    Raises:
        CorpusError: something is in the folder.
        DownloadError: the archive is broken, would write outside the folder, holds links or more
            than `UNPACKED_LIMIT`.
        OSError: the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if member.filename[-1:] != "/"]
            _check_members(members)
            total = sum(member.file_size for member in members)
            done = 0
            for member in members:
                opened.extract(member, unfinished)  # compares the CRC-32 at the end
                done += member.file_size
                progress("unpacking", done, total)
        unfinished.chmod(0o755)
        check_free(folder)  # another run may have been quicker
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DownloadError(
            f"{display_path(archive.name)}: not a whole zip file ({one_line(error)}); {AGAIN}"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    """Refuse what no honest archive holds; `RuntimeError` is what `zipfile` raises too."""
    for member in members:
        path = PureWindowsPath(member.filename)  # takes both kinds of slash, and drives
        if not path.parts:
            raise RuntimeError(f"a file in it is called {display_path(member.filename)!r}")
        if path.anchor or ".." in path.parts:
            raise RuntimeError(f"it would write to {display_path(member.filename)}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise RuntimeError(f"{display_path(member.filename)} in it is a link")
    if sum(member.file_size for member in members) > UNPACKED_LIMIT:
        raise RuntimeError(f"it unpacks to more than {UNPACKED_LIMIT >> 30} GiB")
