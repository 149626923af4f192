"""Files that were written before, and may have been cut short or changed since."""

import contextlib
import pickle
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from sottovoce.errors import SottovoceError
from sottovoce.text import display_path, one_line


@contextlib.contextmanager
def reading(path: Path, remedy: str) -> Iterator[None]:
    """Turn what other libraries raise where a file was cut short or changed into one clear line.

    Args:
        path: of the file that is read.
        remedy: what to do about it.

    Raises:
        SottovoceError: the file cannot be read, or is not what was once written.
    """
    faults = (OSError, ValueError, LookupError, EOFError, RuntimeError, MemoryError)
    try:
        yield
    except (*faults, zipfile.BadZipFile, zlib.error, pickle.UnpicklingError) as error:
        raise SottovoceError(
            f"{display_path(path)}: cannot be read, it may have been cut short "
            f"({one_line(error) or type(error).__name__}); {remedy}"
        ) from None
