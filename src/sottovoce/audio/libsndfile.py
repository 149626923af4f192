"""Decoding wav, flac, ogg, opus, mp3 and more with libsndfile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from sottovoce.errors import AudioError
from sottovoce.text import one_line

BLOCK = 65_536
"""Frames decoded at a time: the memory that reading needs beyond its result."""
UNKNOWN_LENGTH = b"\xff\xff\xff\xff"
"""The size of a data chunk that libsndfile takes for "to the end of the file"."""


class FormatError(AudioError):
    """Libsndfile does not take a file, or cannot decode its first block; another decoder may."""


@dataclass(slots=True)
class SoundFileDecoder:
    """One file that libsndfile decodes."""

    sample_rate: int
    """Hz."""
    channels: int
    promised: int | None
    """Frames that the header promises, where libsndfile takes its word for it (FLAC)."""
    blocks: Iterator[NDArray[np.float32]]
    """(frames, channels), until there are no more."""
    frames: int = 0
    """How many came so far."""
    failed: bool = False
    """Whether decoding ended at a damaged place."""

    @property
    def incomplete(self) -> bool:
        """Whether, after the last block, there may be more that libsndfile did not decode."""
        return self.failed or self.frames < (self.promised or 0)


def decode_libsndfile(
    file: BinaryIO, name: str, stack: ExitStack, wrong_size: int | None = None
) -> SoundFileDecoder:
    """Open a seekable file, at its start.

    Args:
        file: at its start.
        name: for messages.
        stack: closes what was opened.
        wrong_size: where in the file the size of a data chunk stands that cannot be true.

    Raises:
        FormatError: the format is not known; later, from the blocks, that nothing can be decoded.
        AudioError: the file cannot be read.
    """
    reader = _Reader(file, wrong_size)
    try:
        sound = stack.enter_context(_Sound(reader))
    except soundfile.SoundFileError as error:
        if reader.error is not None:
            raise AudioError(f"{name}: reading failed ({one_line(reader.error)})") from None
        raise FormatError(_reason(error)) from None
    promised = sound.frames if sound.format == "FLAC" and sound.frames < 2**60 else None
    decoder = SoundFileDecoder(sound.samplerate, sound.channels, promised, iter(()))
    decoder.blocks = _blocks(sound, reader, name, decoder)
    return decoder


def _blocks(
    sound: _Sound, reader: _Reader, name: str, decoder: SoundFileDecoder
) -> Iterator[NDArray[np.float32]]:
    frames = BLOCK
    while frames:
        block = np.full((BLOCK, sound.channels), np.nan, np.float32)
        try:
            frames = sound.buffer_read_into(block, dtype="float32")
        except soundfile.SoundFileError as error:
            # soundfile does not say how far it came; what libsndfile did not write is still NaN.
            unwritten = np.flatnonzero(np.isnan(block[:, -1]))
            frames = int(unwritten[0]) if unwritten.size else BLOCK
            if not frames and not decoder.frames:
                raise FormatError(_reason(error)) from None
            decoder.frames += frames
            decoder.failed = True
            yield block[:frames]
            return
        if reader.error is not None:
            raise AudioError(f"{name}: reading failed ({one_line(reader.error)})")
        decoder.frames += frames
        yield block[:frames]


class _Sound(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file read straight on, where soundfile would seek after every block."""

    def seekable(self) -> bool:
        return False


class _Reader:
    """A file as libsndfile's callbacks need it.

    It has no name, from which soundfile would guess a headerless format. It raises nothing
    through C: an error ends the data and is kept in `error`. Four bytes may be read as other
    ones: `patch` says where, and then they are `UNKNOWN_LENGTH`.
    """

    def __init__(self, file: BinaryIO, patch: int | None) -> None:
        self._file = file
        self._patch = patch
        self.error: Exception | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._guarded(lambda: self._file.seek(offset, whence))

    def tell(self) -> int:
        return self._guarded(self._file.tell)

    def readinto(self, buffer: Any) -> int:
        return self._guarded(lambda: self._fill(memoryview(buffer).cast("B")))

    read = readinto  # soundfile requires a `read`, but calls `readinto` where there is one

    def _fill(self, view: memoryview) -> int:
        start, done = self._file.tell(), 0
        while done < len(view) and (data := self._file.read(len(view) - done)):
            view[done : done + len(data)] = data
            done += len(data)
        if self._patch is not None:
            for i, byte in enumerate(UNKNOWN_LENGTH, self._patch - start):
                if 0 <= i < done:
                    view[i] = byte
        return done

    def _guarded(self, action: Callable[[], int]) -> int:
        if self.error is not None:
            return 0
        try:
            return action()
        except Exception as error:
            self.error = error
            return 0


def _reason(error: Exception) -> str:
    """Libsndfile's message, where that is about the recording."""
    text = one_line(getattr(error, "error_string", error)).rstrip(".")
    return "the header makes no sense" if text.startswith(("Internal", "File does not")) else text
