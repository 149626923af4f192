"""Recordings from what stands on the command line."""

import io
import tracemalloc
from contextlib import ExitStack
from types import SimpleNamespace

from sottovoce.audio.sources import SPOOL_BYTES
from sottovoce.cli import _sources


class Pipe(io.RawIOBase):
    """A pipe through which 64 MB of zeros come, and no end can be found but by reading."""

    def __init__(self):
        self.left = 64_000_000

    def readable(self):
        return True

    def readinto(self, buffer):
        count = min(len(buffer), self.left, 65_536)
        buffer[:count] = bytes(count)
        self.left -= count
        return count


def test_a_long_pipe_costs_no_memory(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=Pipe()))
    tracemalloc.start()
    try:
        with ExitStack() as stack:
            source = _sources.RecordingArgument("-").source(stack)
            assert source.name == "-"
            assert source.seek(0, io.SEEK_END) == 64_000_000
            assert tracemalloc.get_traced_memory()[1] < 2 * SPOOL_BYTES
    finally:
        tracemalloc.stop()
    assert source.closed
