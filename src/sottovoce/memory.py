"""Memory that is free again goes back to the system: `return_large_blocks`."""

import ctypes

LARGE = 1 << 20
"""Bytes of a block that is asked of the system by itself."""

M_MMAP_THRESHOLD = -3
"""The number that glibc's <malloc.h> gives this setting."""


def return_large_blocks() -> None:
    """Have large blocks go back as soon as they are freed, for the rest of the process.

    glibc does so too at first, but each one freed raises the size from which it does, up to 32 MiB
    (mallopt(3), M_MMAP_THRESHOLD); then a process keeps for good what some long recordings took.
    Nothing happens where there is no such setting.
    """
    setting = getattr(ctypes.CDLL(None), "mallopt", None)
    if setting is not None:
        setting(M_MMAP_THRESHOLD, LARGE)
