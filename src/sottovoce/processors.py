"""How many processors this process may use, which in a container are fewer than the machine has."""

import math
import os
from pathlib import Path

SHARE = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of processor time that the process has in a period, and the period (cgroup v2)."""


def processors(share: Path = SHARE) -> int:
    """Those that it is bound to, or as many as its share of their time amounts to, rounded up.

    Args:
        share: the file that says it, as Linux writes it: "200000 100000", or "max 100000" where
            there is no limit. Not being there, or being something else, it says nothing.
    """
    bound = getattr(os, "sched_getaffinity", None)  # on Linux alone
    count = len(bound(0)) if bound else os.cpu_count() or 1
    try:
        quota, period = map(int, share.read_text().split())
    except (OSError, ValueError):
        return count
    return max(1, min(count, math.ceil(quota / period))) if period > 0 else count
