"""Threads are counted by what the process may use, not by what the machine has."""

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sottovoce import system
from sottovoce.system import available_cpus, return_large_blocks, write_atomically

BOUND = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("100000 100000\n", 1),
        ("10000 100000\n", 1),
        ("150000 100000\n", min(2, BOUND)),
        ("6400000 100000\n", min(64, BOUND)),
        ("max 100000\n", BOUND),
        ("100000 0\n", BOUND),
        ("", BOUND),
    ],
)
def test_a_share_of_time_is_as_many_processors_rounded_up(tmp_path, said, expected):
    share = tmp_path / "cpu.max"
    share.write_text(said)
    assert available_cpus(share) == expected


def test_without_a_share_it_is_what_the_process_is_bound_to(tmp_path):
    assert available_cpus(tmp_path / "missing") == BOUND


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds processes so")
def test_a_process_that_is_bound_to_one_processor_has_one(tmp_path):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available_cpus(tmp_path / "missing") == 1
    finally:
        os.sched_setaffinity(0, before)


def test_memory_is_left_alone_where_the_system_has_no_such_setting(monkeypatch):
    """Windows has no C library that `CDLL(None)` could name: the service must start there too."""

    def no_library(name):
        raise TypeError("argument of type 'NoneType' is not iterable")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "CDLL", no_library)
    return_large_blocks()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, "first, é\n")
    assert path.read_bytes() == "first, é\n".encode()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"second")
    assert path.read_bytes() == "first, é\n".encode()
    assert list(path.parent.iterdir()) == [path], "nothing else is left behind"


@pytest.mark.parametrize("inside", ["", "dist/sottovoce-0.1.0-py3-none-any.whl"])
def test_the_checkout_is_the_one_that_was_installed_from(tmp_path, monkeypatch, inside):
    (tmp_path / "src" / "sottovoce").mkdir(parents=True)
    (tmp_path / "src" / "sottovoce" / "system.py").touch()
    monkeypatch.setattr(system, "__file__", "/usr/lib/python/site-packages/sottovoce/system.py")
    for origin, expected in (
        (tmp_path / inside, tmp_path),
        (tmp_path.parent / "gone", None),
        (None, None),
    ):
        monkeypatch.setattr(system, "installed_from", lambda origin=origin: (origin, False))
        assert system.checkout() == expected


def test_run_from_its_source_the_checkout_is_that():
    assert system.checkout() == Path(__file__).resolve().parents[1]


FAULTS = """
import resource, threading
from sottovoce.system import return_large_blocks

def work():
    for number in range(110):
        if number == 10:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        held = [bytearray(300_000) for _ in range(4)]
        del held
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

return_large_blocks()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told so")
def test_what_each_request_needs_is_not_taken_anew_from_the_system():
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, check=True, text=True)
    assert int(run.stdout) < 1000  # a hundred rounds of 1.2 MB would have 29,000 pages
