"""What the machine offers: processors, memory, the cache folder, whole files, sockets."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import re
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from sottovoce.errors import SottovoceError, installed_from
from sottovoce.text import display_path, one_line

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""cgroup v2: microseconds of processor time that the process has in a period, and the period."""

LARGE_BLOCK = 1 << 20
"""Bytes from which a block of memory gets a mapping of its own."""

SLACK = 4 << 20
"""Bytes at the end of a heap that are kept for what comes next."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""The numbers that glibc's <malloc.h> gives these settings."""

BACKLOG = 512
"""Connections that may wait to be accepted."""

STATUS = Path("/proc/self/status")
"""What Linux says of the process."""

_BOUNDING = threading.Lock()


def available_cpus(quota_file: Path = CPU_QUOTA) -> int:
    """How many processors this process may use; in a container fewer than the machine has.

    They are those that it is bound to, or as many as its quota amounts to, rounded up.

    Args:
        quota_file: "200000 100000", or "max 100000" where there is no limit, as Linux writes it.
            A missing file, or another content, limits nothing.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # on Linux alone
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = map(int, quota_file.read_text().split())
    except (OSError, ValueError):
        return count
    return max(1, min(count, math.ceil(quota / period))) if period > 0 else count


def number_of_workers(given: int | None) -> int:
    """How many threads to use; if None, one a processor, at most 4.

    Raises:
        SottovoceError: it is not at least 1.
    """
    if given is None:
        return min(4, available_cpus())
    if given < 1:
        raise SottovoceError(f"workers is {given}; expected 1 or more")
    return given


def return_large_blocks() -> None:
    """Have large blocks of memory go back to the system as soon as they are freed, from now on.

    glibc does so too at first, but each one freed raises the size from which it does, up to 32 MiB
    (mallopt(3), M_MMAP_THRESHOLD); then a process keeps for good what some long recordings took.
    Once that is set, it gives back what is free at the end of a heap too, from 128 KiB: a request
    would take its memory anew from the system. `SLACK` is kept. Only Linux's C library has these
    settings; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # missing in musl
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
        mallopt(M_TRIM_THRESHOLD, SLACK)


@contextlib.contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """Let the process have so many more bytes while something that was not checked is opened.

    What asks for more fails as if the machine had no more, in whatever thread; one waits for
    another. Only Linux says how much a process has; elsewhere nothing is bounded.
    """
    found = None
    with _BOUNDING:
        with contextlib.suppress(OSError):
            found = re.search(r"^VmData:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
        if found is None:
            yield
            return
        import resource

        before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        bound = 1024 * int(found[1]) + more
        if soft == resource.RLIM_INFINITY or bound < soft:
            resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, before)


def cache_folder() -> Path:
    """The folder of what can be made or fetched again.

    It is $SOTTOVOCE_CACHE where that is set, otherwise `sottovoce` in the user's cache folder.
    """
    own = os.environ.get("SOTTOVOCE_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "sottovoce"


def checkout() -> Path | None:
    """The checkout of Sottovoce that is run, or was installed from and is still there, if any.

    It has what the package does not: the model files of the reference systems.
    """
    candidates = [Path(__file__).resolve().parents[2]]
    origin, _ = installed_from()
    candidates += [] if origin is None else [origin, *origin.parents]
    package = Path("src", "sottovoce", Path(__file__).name)
    return next((folder for folder in candidates if (folder / package).is_file()), None)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file under its name only once all of it is there; its folder is made if need be.

    Args:
        path: of the file; one that is there is replaced.
        content: text is written as UTF-8, line ends as they are.

    Raises:
        OSError: it cannot be written; a file that was there before is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def writing_to_cache(folder: Path, what: str) -> Iterator[None]:
    """Turn an OSError of what writes into a folder of the cache into one clear line.

    Args:
        folder: of the cache.
        what: is kept there, in words.

    Raises:
        SottovoceError: the folder cannot be written to.
    """
    try:
        yield
    except OSError as error:
        raise SottovoceError(
            f"{display_path(folder)}: {what} cannot be kept here ({error.strerror or error}); "
            "make room, or name another folder in SOTTOVOCE_CACHE"
        ) from None


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that accepts connections to one address; port 0 is any free one.

    Raises:
        SottovoceError: the address is not this machine's, or the port is taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise SottovoceError(
            f"{one_line(host)}:{port} cannot be listened on "
            f"({getattr(error, 'strerror', None) or one_line(error)}); "
            "choose another --host or --port"
        ) from None
