"""One file over HTTP: tried again after a cut, from where it was cut, if it is still the same file.

It appends to an open file; what that file is called, and whether it is the right one in the end,
is the business of `sottovoce.download`.
"""

from __future__ import annotations

import http.client
import os
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from sottovoce.errors import DownloadError
from sottovoce.text import one_line

WAITS = (1.0, 2.0, 4.0)
"""s before each further try; a try that got something new starts from the first again."""
TIMEOUT = 30.0
"""s without a byte after which a connection counts as cut."""
CHUNK = 1 << 18
"""Bytes read, written and reported at a time, at most."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which another try may do."""
AGAIN = "run the same command again"

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and of how many, where the server says so."""


class Transfer:
    """The tries that bring a file to its whole length."""

    def __init__(
        self,
        url: str,
        tag: Path,
        *,
        digest: str = "",
        size: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Prepare.

        Args:
            url: http or https.
            tag: a small file that names the version, as the server knows it, of what is there.
            digest: of the whole file, if its user will check one: then no `tag` is needed.
            size: of the whole file, in bytes.
            progress: called again and again.

        Raises:
            DownloadError: the address is neither http nor https.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DownloadError(f"{one_line(url)}: expected an address that begins with https://")
        self._url, self._host = url, parts.netloc
        self._tag, self._digest, self._size = tag, digest, size
        self._report = progress or (lambda done, total: None)

    def run(self, file: BinaryIO) -> None:
        """Fetch until the end.

        Args:
            file: opened for appending; what is in it already is gone on with.

        Raises:
            DownloadError: the server cannot be reached, refuses, or has another file.
            OSError: the file cannot be written.
        """
        best = failures = 0
        while True:
            try:
                return self._try(file)
            except _Cut as cut:
                failures = 1 if _end(file) > best else failures + 1
                best = max(best, _end(file))
                if failures > len(WAITS):
                    raise DownloadError(
                        f"cannot reach {self._host} ({cut}); what was got so far is kept, {AGAIN}"
                    ) from cut.__cause__
                time.sleep(WAITS[failures - 1])

    def _try(self, file: BinaryIO) -> None:
        here = _end(file)
        version = self._tag.read_text(encoding="latin-1") if here and self._tag.exists() else ""
        if here == self._size:
            return
        if here > (self._size or here) or (here and not version and not self._digest):
            self._restart(file)
            here = 0
        request = urllib.request.Request(self._url)  # noqa: S310 - http or https, see above
        request.add_header("User-Agent", "sottovoce")
        if here:
            request.add_header("Range", f"bytes={here}-")
        if here and version:
            request.add_header("If-Range", version)
        with self._open(request) as response:
            self._receive(response, file, here)

    def _open(self, request: urllib.request.Request) -> http.client.HTTPResponse | HTTPError:
        """The server's answer, which can be that nothing comes after what is here (416)."""
        try:
            opener = urllib.request.build_opener(_Redirections)
            response: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT)
        except HTTPError as error:
            if error.code == 416:
                return error
            error.close()
            answer = f"{error.code} {one_line(error.reason)}"
            if error.code in PASSING:
                raise _Cut(f"it answered {answer}") from error
            raise DownloadError(f"{self._host} answered {answer} for {self._url}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _Cut(_reason(error)) from error
        return response

    def _receive(
        self, response: http.client.HTTPResponse | HTTPError, file: BinaryIO, here: int
    ) -> None:
        """Append what comes; from the first byte again where the server does not go on."""
        where = response.headers.get("Content-Range", "")
        if response.status == 416 and where == f"bytes */{here}":
            return
        if response.status == 416 or (
            response.status == 206 and not where.startswith(f"bytes {here}-")
        ):
            self._restart(file)
            raise _Cut("it has no such part of the file")
        if here and response.status != 206:
            self._restart(file)
            here = 0
        length = response.headers.get("Content-Length", "")
        total = here + int(length) if length.isdecimal() else self._size
        if self._size is not None and total != self._size:
            raise DownloadError(
                f"{self._host} has {total} bytes under {self._url}, and {self._size} were expected"
            )
        self._tag.write_text(_version(response), encoding="latin-1")
        self._report(here, total)
        while block := _read(response):
            file.write(block)
            file.flush()
            here += len(block)
            self._report(here, total)
            if here > (self._size or here):
                raise DownloadError(f"{self._host} sends more than the {self._size} bytes expected")
        if here < (total or here):
            raise _Cut("the connection was cut")

    def _restart(self, file: BinaryIO) -> None:
        file.truncate(0)
        self._tag.unlink(missing_ok=True)


class _Cut(Exception):  # noqa: N818
    """A try that ended early; the text says why. Caught here, and met by no user."""


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows what leads to http or https, and from https to https alone."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme != "https"):
            fp.close()
            raise DownloadError(
                f"{req.host} leads from {req.type} to {one_line(newurl)}, where nothing is fetched"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _end(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _version(response: http.client.HTTPResponse | HTTPError) -> str:
    """What If-Range takes: a strong entity tag or else a date (RFC 9110, section 13.1.5)."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _read(response: http.client.HTTPResponse | HTTPError) -> bytes:
    try:
        return response.read1(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(_reason(error)) from error


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection was cut"
    return one_line(getattr(cause, "strerror", None) or cause) or type(cause).__name__
