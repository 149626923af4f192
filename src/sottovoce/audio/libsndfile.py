"""Decoding wav, flac, ogg, opus, mp3 and more with libsndfile."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
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


def decode_libsndfile(
    file: BinaryIO, name: str, stack: ExitStack
) -> tuple[int, int, Iterator[NDArray[np.float32]]]:
    """Decode a seekable file, at its start, as `sottovoce.audio.decode.decode` does.

    Returns:
        Sample rate in Hz, channels, and blocks of (frames, channels).

    Raises:
        AudioError: the format is not known, or nothing can be decoded.
    """
    try:
        reader = _Reader(file, _wrong_data_size(file))
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: reading failed ({one_line(error)})") from None
    try:
        sound = stack.enter_context(_Sound(reader))
    except soundfile.SoundFileError as error:
        if reader.error is not None:
            raise AudioError(f"{name}: reading failed ({one_line(reader.error)})") from None
        raise AudioError(
            f"{name}: not a recording that can be decoded ({_reason(error)}); "
            "expected wav, flac, ogg, opus, mp3, m4a, mp4 or webm"
        ) from None
    return sound.samplerate, sound.channels, _blocks(sound, reader, name)


def _blocks(sound: _Sound, reader: _Reader, name: str) -> Iterator[NDArray[np.float32]]:
    frames, started = BLOCK, False
    while frames:
        block = np.full((BLOCK, sound.channels), np.nan, np.float32)
        try:
            frames = sound.buffer_read_into(block, dtype="float32")
        except soundfile.SoundFileError as error:
            # soundfile does not say how far it came; what libsndfile did not write is still NaN.
            unwritten = np.flatnonzero(np.isnan(block[:, -1]))
            frames = int(unwritten[0]) if unwritten.size else BLOCK
            if not frames and not started:
                raise AudioError(
                    f"{name}: the recording is damaged ({_reason(error)}); nothing could be decoded"
                ) from None
            yield block[:frames]
            return
        if reader.error is not None:
            raise AudioError(f"{name}: reading failed ({one_line(reader.error)})")
        started = True
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


def _wrong_data_size(file: BinaryIO) -> int | None:
    """Find where a wav file gives a data size that cannot be true; leaves the file at its start.

    A recorder that streams, or dies, leaves 0 or some early size there. It is wrong if neither
    the end of the file nor another chunk comes after so many bytes. (A size beyond the end
    needs no repair: libsndfile reads what is there.)
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    riff, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
    position = 12 if (riff, wave) == (b"RIFF", b"WAVE") else end
    wrong = None
    while position + 8 <= end:
        file.seek(position)
        chunk, size = struct.unpack("<4sI", file.read(8))
        following = position + 8 + size + size % 2
        if chunk == b"data":
            file.seek(following)
            after = file.read(4)
            if following + 8 <= end and not (after.isascii() and after.decode().isprintable()):
                wrong = position + 4
            break
        position = following
    file.seek(0)
    return wrong


def _reason(error: Exception) -> str:
    """Libsndfile's message, where that is about the recording."""
    text = one_line(getattr(error, "error_string", error)).rstrip(".")
    return "the header makes no sense" if text.startswith(("Internal", "File does not")) else text
