"""The text of a file that somebody's program saved, in whichever Unicode encoding."""

from __future__ import annotations

import codecs
from pathlib import Path

from sottovoce.errors import CorpusError
from sottovoce.text import display_path

WORKBOOK = b"PK\x03\x04"
"""How an Excel or LibreOffice workbook begins, which is a zip file."""


def read_text(file: Path) -> str:
    r"""Read UTF-8, with or without a byte order mark, or UTF-16 with one; lines end with "\n".

    Raises:
        CorpusError: the file cannot be read, or is no such text; the line says where, and what to
            save it as.
    """
    where = display_path(file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CorpusError(f"{where}: cannot read this table: {error.strerror or error}") from error
    if data.startswith(WORKBOOK):
        raise CorpusError(f"{where}: is a workbook; save its sheet as CSV (UTF-8)")
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CorpusError(
            f"{where}: line {line}: not UTF-8 text (byte 0x{data[error.start]:02x}); save it as "
            'UTF-8 (in Excel: "CSV UTF-8")'
        ) from error
    if "\0" in text:
        raise CorpusError(f"{where}: not text (it holds zero bytes); save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
