"""The pages of an Ogg file (RFC 3533): its links, where it is damaged, and whether it ends."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

CAPTURE = b"OggS"
CONTINUED, FIRST, LAST = 1, 2, 4
"""Flags of a page: it continues a packet, it is its stream's first, its last."""
MOST_REFUSED = 1000
"""Places that look like a page and are none, after which a file is searched no further."""
CHUNK = 65_536

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(slots=True)
class OggLink:
    """One recording of a chain: a stretch of the file with headers of its own."""

    start: int
    """Its first byte."""
    end: int
    """The byte after its last."""
    damages: list[float] = field(default_factory=list)
    """s, from its start, where pages are missing or damaged."""
    pages: list[tuple[int, int]] = field(default_factory=list)
    """Stretches of whole pages: first byte, and the one after the last."""
    finished: bool = False
    """Whether its last page says that it is the last one."""


class _Page(NamedTuple):
    offset: int
    end: int
    flags: int
    granule: int
    serial: int
    number: int
    head: bytes
    """The first bytes of its content."""


def ogg_links(file: BinaryIO) -> tuple[list[OggLink], int]:
    """Find the links of an Ogg file, and the number of bytes after the last of its pages.

    Leaves the file at its start. No links: it has no page of a stream.
    """
    end = file.seek(0, os.SEEK_END)
    links: list[OggLink] = []
    stream: _Stream | None = None
    heads, expected, last = True, 0, 0
    for page in _pages(file, end):
        first = bool(page.flags & FIRST)
        if first and (not links or not heads):
            links.append(OggLink(page.offset, page.end))
            stream, expected = None, page.offset
        heads = first
        last = page.end
        if not links:
            continue
        link = links[-1]
        link.end = page.end
        lost = page.offset != expected
        expected = page.end
        if link.pages and not lost:
            link.pages[-1] = link.pages[-1][0], page.end
        else:
            link.pages.append((page.offset, page.end))
        if stream is None and first:
            stream = _Stream.of(page)
        if stream is not None and page.serial == stream.serial:
            lost = stream.lost(page) or lost
            link.finished = bool(page.flags & LAST)
        if lost and not first:
            link.damages.append(stream.seconds if stream is not None else 0.0)
        if stream is not None and page.serial == stream.serial:
            stream.take(page)
    file.seek(0)
    return links, end - last


@dataclass(slots=True)
class _Stream:
    """The sound track of a link as far as it was gone through."""

    serial: int
    rate: int
    """Of the granule positions, Hz."""
    skipped: int
    number: int
    granule: int = 0

    @classmethod
    def of(cls, page: _Page) -> _Stream | None:
        """From the head of its first packet; None where that is no sound known here."""
        head, rate, skipped = page.head, 0, 0
        if head.startswith(b"OpusHead") and len(head) >= 12:
            rate, skipped = 48_000, struct.unpack_from("<H", head, 10)[0]
        elif head.startswith(b"\x01vorbis") and len(head) >= 16:
            rate = struct.unpack_from("<I", head, 12)[0]
        elif head.startswith(b"Speex   ") and len(head) >= 40:
            rate = struct.unpack_from("<I", head, 36)[0]
        elif head.startswith(b"\x7fFLAC") and len(head) >= 30:
            rate = int.from_bytes(head[27:30], "big") >> 4
        return cls(page.serial, rate, skipped, page.number - 1) if rate else None

    @property
    def seconds(self) -> float:
        return max(0, self.granule - self.skipped) / self.rate

    def lost(self, page: _Page) -> bool:
        return page.number != (self.number + 1) % 2**32

    def take(self, page: _Page) -> None:
        self.number = page.number
        if 0 <= page.granule < 2**63:
            self.granule = page.granule


def _pages(file: BinaryIO, end: int) -> Iterator[_Page]:
    """The pages that are whole and right; what lies between them is passed over."""
    position = refused = 0
    while position + 27 <= end and refused < MOST_REFUSED:
        page = _page(file, position)
        if page is None:
            refused += 1
            found = _find(file, position + 1, end)
            if found is None:
                return
            position = found
        else:
            yield page
            position = page.end


def _page(file: BinaryIO, offset: int) -> _Page | None:
    file.seek(offset)
    head = file.read(27)
    if len(head) < 27 or head[:5] != CAPTURE + b"\0":
        return None
    flags, granule, serial, number, checksum, segments = struct.unpack_from("<BqIIIB", head, 5)
    sizes = file.read(segments)
    content = file.read(sum(sizes))
    if len(sizes) < segments or len(content) < sum(sizes):
        return None
    if checksum != _checksum(head[:22] + bytes(4) + head[26:] + sizes + content):
        return None
    end = offset + 27 + segments + len(content)
    return _Page(offset, end, flags, granule, serial, number, content[:64])


def _find(file: BinaryIO, start: int, end: int) -> int | None:
    """Where the next page seems to begin."""
    while start < end:
        file.seek(start)
        chunk = file.read(CHUNK)
        place = chunk.find(CAPTURE)
        if place >= 0:
            return start + place
        if len(chunk) <= len(CAPTURE):
            return None
        start += len(chunk) - len(CAPTURE) + 1
    return None


def _checksum(data: bytes) -> int:
    """Ogg's CRC-32: zlib's with the bits the other way round, and nothing inverted."""
    reflected = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)
