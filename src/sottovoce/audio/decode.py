"""Decoding: from anything that holds an audio file to blocks of samples, one after another."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio.libsndfile import decode_libsndfile
from sottovoce.audio.pyav import decode_media
from sottovoce.errors import AudioError
from sottovoce.text import describe, one_line

Block: TypeAlias = NDArray[np.float32]
"""(frames, channels)"""

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Sample rates that are taken for real, in Hz."""
MAX_CHANNELS = 64


def decode(source: Any, stack: ExitStack) -> tuple[int, Iterator[Block]]:
    """Open a source and choose its decoder by content, never by name.

    What the header says of the length is not believed: blocks come until there are no more, and
    damage after the first block ends the recording there.

    Args:
        source: a path, the bytes of a file or a binary file object (read from its start).
        stack: closes what was opened.

    Returns:
        The sample rate in Hz, and blocks of (frames, channels), checked to be finite.

    Raises:
        AudioError: the source cannot be opened or decoded; one line says why.
        MissingExtraError: the format needs PyAV and it is not installed.
    """
    name = describe(source)
    file = _open(source, name, stack)
    try:
        file.seek(0)
        head = file.read(12)
        file.seek(0)
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: reading failed ({one_line(error)})") from None
    if not head:
        raise AudioError(f"{name}: the file is empty; expected a recording")
    if head[4:8] == b"ftyp":
        rate, channels, blocks = decode_media(file, "mp4", name, stack)
    elif head[:4] == b"\x1aE\xdf\xa3":  # EBML, the head of Matroska and WebM
        rate, channels, blocks = decode_media(file, "matroska", name, stack)
    else:
        rate, channels, blocks = decode_libsndfile(file, name, stack)
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{name}: {channels} channels; expected 1 to {MAX_CHANNELS}")
    return checked_rate(rate, name), _finite(blocks, name)


def checked_rate(rate: Any, name: str) -> int:
    """Give the sample rate as an int, Hz; AudioError where it cannot be one."""
    try:
        if MIN_RATE <= rate <= MAX_RATE and int(rate) == rate:
            return int(rate)
    except (TypeError, ValueError):
        pass
    raise AudioError(
        f"{name}: sample rate {one_line(repr(rate))}; expected a whole number of Hz from "
        f"{MIN_RATE} to {MAX_RATE}"
    )


def all_finite(samples: Block) -> bool:
    """Whether no sample is NaN or infinite: then, and only then, is their sum in double finite."""
    with np.errstate(invalid="ignore"):
        return bool(np.isfinite(samples.sum(dtype=np.float64)))


def not_finite(name: str, count: int, first: int) -> AudioError:
    """Make the error for samples that are NaN or infinite."""
    return AudioError(
        f"{name}: {count} samples are NaN or infinite, the first at sample {first}; "
        "expected finite numbers"
    )


def _open(source: Any, name: str, stack: ExitStack) -> BinaryIO:
    """Give a seekable binary file for every kind of source that holds bytes."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if isinstance(source, (str, os.PathLike)):
        file = stack.enter_context(_open_path(source, name))
    elif isinstance(source, io.TextIOBase):
        raise AudioError(f"{name}: is open as text; open it in binary mode ('rb')")
    elif callable(getattr(source, "read", None)):
        file = source
    else:
        raise AudioError(
            f"cannot read audio from {type(source).__name__}; give a path, bytes, a binary file "
            "object, an (array, sample rate) pair or Audio"
        )
    try:
        seekable = getattr(file, "seekable", None)
        if seekable is None or not seekable():
            spool = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
            shutil.copyfileobj(file, stack.enter_context(spool))
            file = spool
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: reading failed ({one_line(error)})") from None
    return file


def _open_path(path: str | os.PathLike[str], name: str) -> BinaryIO:
    if not os.fspath(path):
        raise AudioError("an empty path; give the path of a recording")
    try:
        return Path(os.fsdecode(path)).open("rb")
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; check the path") from None
    except IsADirectoryError:
        raise AudioError(f"{name}: is a folder; give an audio file") from None
    except PermissionError:
        raise AudioError(f"{name}: permission denied; make the file readable") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{name}: cannot be opened ({one_line(reason)}); check the path") from None


def _finite(blocks: Iterator[Block], name: str) -> Iterator[Block]:
    """Pass blocks on; raise after the last one where any sample was NaN or infinite."""
    position = count = first = 0
    for block in blocks:
        if count or not all_finite(block):
            bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
            first = first if count else position + int(bad[0])
            count += bad.size
        else:
            yield block
        position += len(block)
    if count:
        raise not_finite(name, count, first)
