"""Threads are counted by what the process may use, not by what the machine has."""

import os

import pytest

from sottovoce.system import available_cpus

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
