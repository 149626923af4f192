"""What people have in hand, in the forms that are read: arrays of other libraries, and addresses.

Other libraries' objects are known by what they can do, so that none of them is imported.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from numbers import Real
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from sottovoce.errors import AudioError, MissingExtraError, SottovoceError
from sottovoce.text import one_line

SPOOL_BYTES = 8_000_000
"""Of a copy that are kept in memory; with more it goes to a file without a name."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*(::[a-z][a-z0-9+.-]*)*://", re.IGNORECASE)


def plain(source: Any) -> Any:
    """A source as a pair of (array, rate), where it holds samples; else as what is to be decoded.

    Args:
        source: anything. (rate, array), as Gradio gives it, is told from (array, rate) by which of
            the two is a number. A dict has `array` and `sampling_rate`, or, not decoded yet,
            `bytes` or `path`, as Hugging Face gives them. An object with `get_all_samples()`, as
            torchcodec's decoders, or with `data` and `sample_rate`, as what they give.

    Raises:
        AudioError: it is a tuple or a dict that holds no recording, or cannot be decoded.
    """
    if callable(getattr(source, "get_all_samples", None)):
        try:
            source = source.get_all_samples()
        except Exception as error:  # of whatever kind the library has
            raise AudioError(f"the decoder given: cannot decode ({one_line(error)})") from None
    if isinstance(source, Mapping):
        return _of_mapping(source)
    if isinstance(source, tuple):
        if len(source) != 2:
            raise AudioError(f"got a tuple of {len(source)}; expected an (array, sample rate) pair")
        first, second = source
        return (second, first) if _is_number(first) and not _is_number(second) else source
    if hasattr(source, "data") and hasattr(source, "sample_rate"):
        return source.data, source.sample_rate
    return source


def _of_mapping(source: Mapping[str, Any]) -> Any:
    if "array" in source and "sampling_rate" in source:
        return source["array"], source["sampling_rate"]
    for key in ("bytes", "path"):
        if source.get(key) is not None:
            return source[key]
    raise AudioError(
        f"got a dict of {', '.join(map(repr, source)) or 'nothing'}; expected 'array' and "
        "'sampling_rate', or 'bytes' or 'path'"
    )


def recordings(given: Any) -> Iterable[Any]:
    """What was given as recordings: an iterable of them, or one on its own.

    Raises:
        SottovoceError: it is neither.
    """
    is_one = (
        isinstance(given, (str, bytes, bytearray, memoryview, os.PathLike, Mapping))
        or (isinstance(given, tuple) and len(given) == 2 and sum(map(_is_number, given)) == 1)
        or any(hasattr(given, name) for name in ("read", "get_all_samples"))
        or (hasattr(given, "sample_rate") and (hasattr(given, "samples") or hasattr(given, "data")))
        or (hasattr(given, "dtype") and not _holds_names(given))
    )
    if is_one:
        return [given]
    if isinstance(given, Iterable):
        return given
    raise SottovoceError(
        f"recordings is {one_line(repr(given))}; expected one recording, or several in a list"
    )


def samples_of(array: Any) -> NDArray[Any]:
    """An array, or another library's tensor, as NumPy has it; a tensor of floats in float32.

    Raises:
        AudioError: it cannot be an array.
    """
    try:
        if callable(getattr(array, "detach", None)):  # of PyTorch, perhaps on an accelerator
            array = array.detach().cpu()
            array = (array.float() if array.is_floating_point() else array).numpy()
        return np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(
            f"the array given: cannot be taken for one ({one_line(error)}); expected (samples,) or "
            "(channels, samples)"
        ) from None


def is_address(source: Any) -> bool:
    """Whether a source is an address such as https://... or s3://..., and no path."""
    return isinstance(source, str) and _ADDRESS.match(source) is not None


class NamedCopy(tempfile.SpooledTemporaryFile[bytes]):
    """A copy of what cannot be read twice, under the name that it has for people."""

    name = ""

    def __init__(self, name: str) -> None:
        super().__init__(SPOOL_BYTES)
        self.name = name


def fetched(address: str, stack: ExitStack) -> BinaryIO:
    """A copy of the file at an address, through fsspec.

    Args:
        address: of a kind that fsspec knows: http, https, s3, gs, ftp and so on.
        stack: closes the copy.

    Raises:
        AudioError: it cannot be read.
        MissingExtraError: fsspec is not installed, or what it needs for the web.
    """
    try:
        import fsspec
    except ModuleNotFoundError:
        raise MissingExtraError(f"{one_line(address)}: an address", "fsspec", "remote") from None
    copy = stack.enter_context(NamedCopy(address))
    try:
        with fsspec.open(address, "rb") as file:
            shutil.copyfileobj(file, copy)
    except FileNotFoundError:  # fsspec says so, too, where no server answers
        raise AudioError(f"{one_line(address)}: nothing is found there; check it") from None
    except ImportError as error:
        if address.lower().startswith("http"):
            raise MissingExtraError(f"{one_line(address)}: the web", "aiohttp", "remote") from None
        raise AudioError(f"{one_line(address)}: cannot be read ({one_line(error)})") from None
    except Exception as error:  # each kind of address has errors of its own
        reason = one_line(error) or type(error).__name__
        raise AudioError(
            f"{one_line(address)}: cannot be read ({reason}); check the address"
        ) from None
    return cast(BinaryIO, copy)


def _is_number(thing: Any) -> bool:
    return isinstance(thing, Real) or (hasattr(thing, "dtype") and getattr(thing, "ndim", 1) == 0)


def _holds_names(array: Any) -> bool:
    """Whether an array, such as a column of a table, holds paths or objects, not numbers."""
    return getattr(array.dtype, "kind", None) in ("O", "S", "T", "U")
