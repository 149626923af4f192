"""The frames of an MP3 file (ISO 11172-3, 13818-3): where they are, and what lies between them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

CHAIN = 4
"""Frames of one kind that must follow one another for bytes to be taken for MP3."""
SEARCHED = 2**20
"""Bytes that are searched for the first frame, and after each damaged place."""
CHUNK = 2**20
LONGEST = 4 * 2880 + 4
"""Bytes of the longest frame, and a little."""
IGNORED = 1024
"""Bytes after the last frame that are not worth a word."""

_BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""(version, layer) -> kbit/s of the bit rate indices from 1."""
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Version bits -> Hz of the sample rate indices."""
_LOOKS_LIKE = re.compile(rb"\xff[\xe2-\xe7\xf2-\xff]")
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN")


@dataclass(frozen=True, slots=True)
class MpegSpan:
    """Whole frames that follow one another."""

    start: int
    """Their first byte in the file."""
    end: int
    """The byte after their last."""
    damaged: bool
    """Whether what lies before is damage, and not a tag or padding."""
    head: bytes
    """A frame to be put before them that says how many there are; empty where one does."""


@dataclass(slots=True)
class MpegSpans:
    """Where the frames of a file are."""

    spans: list[MpegSpan] = field(default_factory=list)
    cut: bool = False
    """Whether the file ends within a frame."""
    trailing: int = 0
    """Bytes after the last frame that are neither a frame nor a tag."""
    missing: float = 0.0
    """Share of the recording that its first frame promises, and that is not there."""
    sound: bool = False
    """Whether the file may be decoded as it is."""


def looks_like_mpeg(head: bytes) -> bool:
    """Whether a file may be one, from its first bytes."""
    return head[:3] == b"ID3" or _LOOKS_LIKE.match(head) is not None


def mpeg_spans(file: BinaryIO) -> MpegSpans:
    """Find the frames of a file, which is left at its start."""
    window = _Window(file)
    position = expected = _after_tags(window, 0)
    found = MpegSpans()
    kind: bytes | None = None
    while position < window.end:
        start = _search(window, position, kind)
        if start is None:
            break
        kind = _kind(window.at(start, 4))
        between = window.at(position, min(start - position, 64))
        least = 0 if found.spans else 2 * (_size(window.at(start, 4)) or 0)  # half a frame is none
        damaged = bool(between.strip(b"\0")) and start - position > least
        stop, frames, even = _walk(window, start, kind)
        found.spans.append(_span(window, found, start, stop, frames, even, damaged))
        position = _after_tags(window, stop)
        if position > stop and window.at(position, 4)[:1] == b"\xff":
            kind = None  # another recording, which may be of another kind
    rest = window.at(position, 16) if found.spans else b""
    if rest and not rest.startswith(_TAGS):
        size = _size(rest)
        found.cut = size is not None and _kind(rest) == kind and position + size > window.end
        padding = window.end - position <= SEARCHED and not window.at(position, SEARCHED).strip(
            b"\0"
        )
        if not found.cut and not padding:
            found.trailing = window.end - position
    found.cut = found.cut or found.missing > 0
    only = found.spans[0] if len(found.spans) == 1 else None
    found.sound = only is not None and only.start == expected and not only.head
    found.sound = found.sound and found.trailing <= IGNORED
    file.seek(0)
    return found


def _span(
    window: _Window,
    found: MpegSpans,
    start: int,
    end: int,
    frames: int,
    even: bool,
    damaged: bool,
) -> MpegSpan:
    """One stretch, with a true frame of information where its own is wrong or missing.

    Without one, libsndfile takes the first bit rate for that of all, and stops too early.
    """
    first = window.at(start, 200)
    size, promised = _promised(first)
    there = end - start
    found.missing, head = 0.0, b""
    if promised and abs(promised - there) > 0.01 * there:
        head = _information(first, frames - 1, there)
        start += size
        if promised > there + LONGEST:
            found.missing = 1 - there / promised
    elif promised is None and not even:
        head = _information(first, frames, there)
    return MpegSpan(start, end, damaged, head)


def _information(first: bytes, frames: int, size: int) -> bytes:
    """A frame as Xing defined it: silent, it says how many frames and bytes there are."""
    header = bytes((first[0], first[1] | 1, first[2] & 0x0C | 0x90, first[3]))
    length = _size(header) or 0
    tag = b"Xing" + (3).to_bytes(4, "big") + frames.to_bytes(4, "big")
    tag += (size + length).to_bytes(4, "big")
    return (header + bytes(_side_information(header)) + tag).ljust(length, b"\0")


def _side_information(header: bytes) -> int:
    """Its bytes in a frame of layer III."""
    mono = header[3] >> 6 == 3
    return (17 if mono else 32) if header[1] >> 3 & 3 == 3 else (9 if mono else 17)


def _promised(frame: bytes) -> tuple[int, int | None]:
    """Size of the first frame, and the bytes that it says the recording has.

    None: it is no frame of information; 0: it does not say, or is one of another kind (VBRI).
    """
    size = _size(frame) or 0
    place = 4 + _side_information(frame)
    tag, flags = frame[place : place + 4], int.from_bytes(frame[place + 4 : place + 8], "big")
    if frame[36:40] == b"VBRI":
        return size, 0
    if tag not in (b"Xing", b"Info"):
        return size, None
    if not flags & 2:
        return size, 0
    place += 12 if flags & 1 else 8
    return size, int.from_bytes(frame[place : place + 4], "big")


class _Window:
    """Short stretches of a file, read a large one at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.end = file.seek(0, os.SEEK_END)
        self._start, self._held = 0, b""

    def at(self, position: int, size: int) -> bytes:
        place = position - self._start
        if not 0 <= place <= len(self._held) - size:
            self._file.seek(position)
            self._start, self._held = position, self._file.read(max(CHUNK, size))
            place = 0
        return self._held[place : place + size]


def _kind(header: bytes) -> bytes:
    """What all frames of a recording share: version, layer and sample rate."""
    return bytes((header[1] & 0x1E, header[2] & 0x0C))


def _size(header: bytes) -> int | None:
    """Bytes of the frame with this header; None where it is none, or its size is not said."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    bits = 1000 * _BITRATES[1 if version == 3 else 2, layer][bitrate - 1]
    padding, hz = header[2] >> 1 & 1, _RATES[version][rate]
    if layer == 1:
        return (12 * bits // hz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hz + padding


def _walk(window: _Window, position: int, kind: bytes) -> tuple[int, int, bool]:
    """Go through the frames that follow one another from a position.

    Returns:
        Where the last whole one ends, how many there are, and whether all have one bit rate.
    """
    count, even, rate = 0, True, None
    while True:
        header = window.at(position, 4)
        size = _size(header)
        if size is None or _kind(header) != kind or position + size > window.end:
            return position, count, even
        even = even and rate in (None, header[2] >> 4)
        rate, count, position = header[2] >> 4, count + 1, position + size


def _chained(window: _Window, position: int) -> bool:
    """Whether frames of one kind follow one another here, `CHAIN` of them or up to the end."""
    kind, count = None, 0
    while count < CHAIN:
        header = window.at(position, 4)
        size = _size(header)
        if size is None or kind not in (None, _kind(header)):
            return count > 1 and window.at(position, 3) in (b"", b"TAG", b"APE")
        kind, count = _kind(header), count + 1
        position += size
        if position > window.end:
            return count > 2
    return True


def _search(window: _Window, position: int, kind: bytes | None) -> int | None:
    """Where the next frames begin; of this kind, if it is known."""
    limit = min(window.end, position + SEARCHED)
    for place in _candidates(window, position, limit):
        header = window.at(place, 4)
        if _size(header) is None or kind not in (None, _kind(header)):
            continue
        if _chained(window, place):
            return place
    return None


def _candidates(window: _Window, position: int, limit: int) -> Iterator[int]:
    while position < limit:
        chunk = window.at(position, min(limit - position, CHUNK // 16))
        for match in _LOOKS_LIKE.finditer(chunk):
            yield position + match.start()
        position += max(1, len(chunk) - 1)


def _after_tags(window: _Window, position: int) -> int:
    """Where tags that begin here end: ID3v2, which come first, and APEv2 or ID3v1 between."""
    while True:
        head = window.at(position, 32)
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 128:
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte
            position += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head[:3] == b"TAG" and position + 128 <= window.end:
            position += 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            size = int.from_bytes(head[12:16], "little")
            position += size + (32 if head[23] & 0x20 else 0)
        else:
            return min(position, window.end)
