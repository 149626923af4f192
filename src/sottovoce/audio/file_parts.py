"""Stretches of a file, and other bytes, read as if they were a file of their own."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, BinaryIO, TypeAlias

Part: TypeAlias = bytes | tuple[int, int]
"""Bytes as they are, or a stretch of a file: its first byte, and the one after its last."""


class FileParts(io.RawIOBase):
    """A file made of parts of another one, which it seeks in and does not close.

    Args:
        file: seekable.
        parts: one after another.
    """

    def __init__(self, file: BinaryIO, parts: Sequence[Part]) -> None:
        self._file = file
        self._parts = [part for part in parts if not isinstance(part, bytes) or part]
        sizes = (
            len(part) if isinstance(part, bytes) else part[1] - part[0] for part in self._parts
        )
        self._starts = list(accumulate(sizes, initial=0))
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._starts[-1]}
        self._position = max(0, base[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as one part goes."""
        if self._position >= self._starts[-1]:
            return 0
        view = memoryview(buffer).cast("B")
        number = bisect_right(self._starts, self._position) - 1
        part, place = self._parts[number], self._position - self._starts[number]
        if isinstance(part, bytes):
            data = part[place : place + len(view)]
        else:
            self._file.seek(part[0] + place)
            data = self._file.read(min(len(view), part[1] - part[0] - place))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
