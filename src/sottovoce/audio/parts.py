"""Stretches of a file, and other bytes, read as if they were a file of their own."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, BinaryIO


class FileParts(io.RawIOBase):
    """A file made of stretches of another one, which it seeks in and does not close.

    Args:
        file: seekable.
        spans: first byte of each stretch, and the one after its last.
        head: bytes that come before them.
    """

    def __init__(self, file: BinaryIO, spans: Sequence[tuple[int, int]], head: bytes = b"") -> None:
        self._file = file
        self._head = head
        self._spans = spans
        self._starts = list(accumulate((end - start for start, end in spans), initial=len(head)))
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
        """Fill the buffer as far as one stretch goes."""
        if self._position >= self._starts[-1]:
            return 0
        view = memoryview(buffer).cast("B")
        if self._position < len(self._head):
            data = self._head[self._position : self._position + len(view)]
        else:
            number = bisect_right(self._starts, self._position) - 1
            start, end = self._spans[number]
            place = start + self._position - self._starts[number]
            self._file.seek(place)
            data = self._file.read(min(len(view), end - place))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
