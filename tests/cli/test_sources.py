"""Recordings from what stands on the command line."""

import io
import os
import tracemalloc
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from sottovoce.audio.decode import SUFFIXES
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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("pattern", ["", "/*", "/*.wav"])
def test_a_pipe_in_a_folder_is_passed_over(tmp_path, pattern):
    (tmp_path / "a.wav").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.wav")
    found = list(_sources.expand([f"{tmp_path}{pattern}"]))
    assert [recording.path for recording in found] == [str(tmp_path / "a.wav")]
    named = list(_sources.expand([str(tmp_path / "pipe.wav")]))
    assert [recording.path for recording in named] == [str(tmp_path / "pipe.wav")]


def test_folders_are_searched_for_every_suffix(tmp_path):
    for suffix in SUFFIXES:
        (tmp_path / f"a{suffix}").write_bytes(b"")
        (tmp_path / f"b{suffix.upper()}").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    assert len(list(_sources.expand([str(tmp_path)]))) == 2 * len(SUFFIXES)
    for suffix in (".mov", ".mkv", ".3gp", ".amr", ".aac", ".wma", ".avi"):
        assert suffix in SUFFIXES


def test_a_link_that_leads_nowhere_is_still_named(tmp_path):
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    found = list(_sources.expand([str(tmp_path)]))
    assert [recording.path for recording in found] == [str(tmp_path / "gone.wav")]
