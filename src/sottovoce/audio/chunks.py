"""The chunks of WAV and AIFF files: how much sound a header promises, and what there is."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO, cast

from sottovoce.audio.file_parts import FileParts, Part

CHUNK = 2**20
"""Bytes that are searched at a time."""
NOT_KNOWN = 0x7FFF0000
"""From this size on a program did not know how much it would write to a pipe, and guessed."""


@dataclass(frozen=True, slots=True)
class SoundChunk:
    """The chunk that holds the samples."""

    promised: int
    """Bytes that it has by its header."""
    there: int
    """Bytes from its first one to the end of the file."""
    trailing: int = 0
    """Bytes after the last chunk, where the header of the file is right about its end."""
    wrong_size: int | None = None
    """Where in the file its size stands, if that cannot be true and more is there."""

    @property
    def cut(self) -> bool:
        """Whether the file surely ends early."""
        return self.there < self.promised < NOT_KNOWN


def sound_chunk(file: BinaryIO) -> SoundChunk | None:
    """Find the samples in a WAV or AIFF file, which is left at its start; None: it is no such file.

    A recorder that streams, or dies, leaves 0 or some early size there. It is wrong if neither
    the end of the file nor another chunk comes after so many bytes, unless the size of the whole
    file says the same. (A size beyond the end needs no repair: libsndfile reads what is there.)
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12).ljust(12, b"\0")
    order, name = (">", b"SSND") if head[:4] == b"FORM" else ("<", b"data")
    if head[:4] not in (b"RIFF", b"FORM") or head[8:] not in (b"WAVE", b"AIFF", b"AIFC"):
        file.seek(0)
        return None
    whole = 8 + struct.unpack(f"{order}I", head[4:8])[0]
    position, found = 12, None
    while position + 8 <= end:
        file.seek(position)
        chunk, size = struct.unpack(f"{order}4sI", file.read(8))
        following = position + 8 + size + size % 2
        if chunk == name:
            file.seek(following)
            after = file.read(4)
            more = following + 8 <= end and not (after.isascii() and after.decode().isprintable())
            known = more and size > 0 and following - size % 2 <= whole <= following
            found = SoundChunk(
                promised=size,
                there=end - position - 8,
                trailing=end - following if known else 0,
                wrong_size=position + 4 if more and not known and order == "<" else None,
            )
            break
        position = following
    file.seek(0)
    return found


def without_info(file: BinaryIO) -> BinaryIO:
    """Give a RIFF file whose lists of information (titles, artists) are called junk, at its start.

    FFmpeg believes what they say of their size, and takes gigabytes where that is wrong.
    """
    end = file.seek(0, os.SEEK_END)
    parts: list[Part] = []
    kept = start = 0
    while start < end:
        file.seek(start)
        chunk = file.read(CHUNK)
        place = chunk.find(b"LIST")
        while place >= 0:
            if chunk[place + 8 : place + 12] == b"INFO":
                parts += [(kept, start + place), b"JUNK"]
                kept = start + place + 4
            place = chunk.find(b"LIST", place + 4)
        start += max(1, len(chunk) - 11)
    file.seek(0)
    return cast(BinaryIO, FileParts(file, [*parts, (kept, end)])) if parts else file
