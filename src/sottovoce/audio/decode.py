"""Decoding: from anything that holds an audio file to blocks of samples, one after another."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from sottovoce.audio.chunks import sound_chunk, without_info
from sottovoce.audio.convert import Block, fitted
from sottovoce.audio.file_parts import FileParts
from sottovoce.audio.libsndfile import FormatError, SoundFileDecoder, decode_libsndfile
from sottovoce.audio.mpeg import looks_like_mpeg, mpeg_spans
from sottovoce.audio.notes import DecodingNotes
from sottovoce.audio.ogg import CAPTURE, ogg_links
from sottovoce.audio.pyav import decode_media, media_kind
from sottovoce.errors import AudioError, MissingExtraError, install_line
from sottovoce.results import Warnings
from sottovoce.text import describe, one_line

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Sample rates that are taken for real, in Hz."""
MAX_CHANNELS = 64
HEAD = 200
"""Bytes that a format is recognised by."""

# fmt: off
SUFFIXES = (
    ".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".spx", ".mp3",
    ".mp2", ".mpga", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".voc", ".sph", ".nist",
    ".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".aac", ".ac3", ".eac3", ".amr",
    ".awb", ".wma", ".wmv", ".asf", ".webm", ".weba", ".mka", ".mkv", ".avi", ".flv", ".ogv",
    ".ape", ".wv", ".tta", ".tak", ".mpc", ".dts", ".mpg", ".mpeg", ".ts", ".mts", ".ra", ".rm",
)
# fmt: on
"""How the names of files end that can be decoded (some with PyAV alone), in lower case."""


@dataclass(frozen=True, slots=True)
class DecodedFile:
    """A file that is being decoded."""

    sample_rate: int
    """Hz."""
    blocks: Iterator[Block]
    """(frames, channels), checked to be finite."""
    notes: DecodingNotes
    """What could not be decoded; complete after the last block."""

    @property
    def warnings(self) -> Warnings:
        """The notes so far, as results have them."""
        return self.notes.warnings()


def decode(source: Any, stack: ExitStack) -> DecodedFile:
    """Open a source and choose its decoder by content, never by name.

    What the header says of the length is not believed: blocks come until there are no more, and
    after damage they go on where the file makes sense again.

    Args:
        source: a path, the bytes of a file or a binary file object (read from its start).
        stack: closes what was opened.

    Raises:
        AudioError: the source cannot be opened or decoded; one line says why.
        MissingExtraError: the format needs PyAV and it is not installed.
    """
    name = describe(source)
    file = _open(source, name, stack)
    notes = DecodingNotes()
    try:
        file.seek(0)
        head = file.read(HEAD)
        if not head:
            raise AudioError(f"{name}: the file is empty; expected a recording")
        rate, channels, blocks = _decoder(file, head, name, stack, notes)
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: reading failed ({one_line(error)})") from None
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{name}: {channels} channels; expected 1 to {MAX_CHANNELS}")
    return DecodedFile(checked_rate(rate, name), _finite(blocks, name), notes)


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


_Decoded = tuple[int, int, Iterator[Block]]
"""Rate in Hz, channels, blocks."""


def _decoder(
    file: BinaryIO, head: bytes, name: str, stack: ExitStack, notes: DecodingNotes
) -> _Decoded:
    file.seek(0)
    kind = media_kind(head)
    if kind is not None:
        file = without_info(file) if head.startswith(b"RIFF") else file
        return decode_media(file, kind, name, stack, notes)
    try:
        if head.startswith(CAPTURE):
            return _ogg(file, name, stack, notes)
        if looks_like_mpeg(head):
            return _mpeg(file, name, stack, notes)
        return _whole(file, name, stack, notes)
    except FormatError as error:
        reason = str(error)
    if head[:4] not in (CAPTURE, b"RIFF", b"fLaC"):  # they may hold MP3, or what looks like it
        try:
            return _mpeg(file, name, stack, notes)
        except FormatError:
            pass
    try:
        file.seek(0)
        if head.startswith(CAPTURE):
            pages = [span for link in ogg_links(file)[0] for span in link.pages]
            file = cast(BinaryIO, FileParts(file, pages)) if pages else file
        file = without_info(file) if head.startswith(b"RIFF") else file
        return decode_media(file, None, name, stack, notes)
    except FormatError:
        more = ""
    except MissingExtraError:
        more = f"; PyAV reads more than these, run: {install_line('media')}"
    raise AudioError(
        f"{name}: not a recording that can be decoded ({reason}); "
        f"expected wav, flac, ogg, opus, mp3, m4a, mp4 or webm{more}"
    )


def _whole(file: BinaryIO, name: str, stack: ExitStack, notes: DecodingNotes) -> _Decoded:
    """A file in one piece; what libsndfile does not get over is tried with PyAV."""
    chunk = sound_chunk(file)
    decoder = _started(file, name, stack, chunk.wrong_size if chunk else None)
    rate, channels = decoder.sample_rate, decoder.channels

    def blocks() -> Iterator[Block]:
        yield from decoder.blocks
        end = decoder.frames / rate
        if chunk is not None:
            notes.trailing = chunk.trailing
            if chunk.cut:
                notes.cut(end, end * chunk.promised / chunk.there if chunk.there else None)
        if not decoder.incomplete:
            return
        rest = _after(file, decoder, name, stack, notes)
        first = next(rest, None)
        if first is not None:
            notes.damage(end)
            yield first
            yield from rest
        elif notes.damages:
            pass  # PyAV would know more, and the note says so
        elif decoder.promised is not None:
            notes.cut(end, decoder.promised / rate)
        elif chunk is None or not chunk.cut:
            notes.damage(end)
            notes.unheard = "what comes after was not heard"

    return rate, channels, blocks()


def _after(
    file: BinaryIO, decoder: SoundFileDecoder, name: str, stack: ExitStack, notes: DecodingNotes
) -> Iterator[Block]:
    """What PyAV decodes after the frames that libsndfile gave, if anything."""
    further = DecodingNotes()
    try:
        file.seek(0)
        rate, channels, blocks = decode_media(file, None, name, stack, further)
    except MissingExtraError:
        notes.damage(decoder.frames / decoder.sample_rate)
        notes.unheard = f"PyAV may read what comes after, run: {install_line('media')}"
        return
    except AudioError:
        return
    if (rate, channels) != (decoder.sample_rate, decoder.channels):
        return
    skip = decoder.frames
    try:
        for block in blocks:
            if len(block) > skip:
                yield block[skip:]
            skip = max(0, skip - len(block))
    except AudioError:
        return
    for place in further.places:
        if place > decoder.frames / rate + 1:  # the first one is known
            notes.damage(place)


def _ogg(file: BinaryIO, name: str, stack: ExitStack, notes: DecodingNotes) -> _Decoded:
    """An Ogg file: every link of it, one after another."""
    links, trailing = ogg_links(file)
    if not links:
        raise FormatError("no page of an Ogg stream is whole")
    if len(links) == 1:
        sections = [_Section(file, links[0].damages)]
    else:
        sections = [_Section(_part(file, link.start, link.end), link.damages) for link in links]

    def at_end(seconds: float) -> None:
        if not links[-1].finished:
            notes.cut(seconds)
        else:
            notes.trailing = trailing

    return _one_after_another(sections, name, stack, notes, at_end)


def _mpeg(file: BinaryIO, name: str, stack: ExitStack, notes: DecodingNotes) -> _Decoded:
    """An MP3 file: every stretch of whole frames, whatever lies between."""
    found = mpeg_spans(file)
    if not found.spans:
        return _whole(file, name, stack, notes)
    if found.sound:
        sections = [_Section(file, [])]
    else:
        sections = [
            _Section(_part(file, span.start, span.end, span.head), [0.0] * span.damaged)
            for span in found.spans
        ]

    def at_end(seconds: float) -> None:
        if found.cut:
            share = 1 - found.missing
            notes.cut(seconds, seconds / share if found.missing and share else None)
        notes.trailing = found.trailing

    return _one_after_another(sections, name, stack, notes, at_end)


@dataclass(frozen=True, slots=True)
class _Section:
    """A stretch of a file that libsndfile takes for a file of its own."""

    file: BinaryIO
    damages: Sequence[float]
    """s, from its start."""


def _part(file: BinaryIO, start: int, end: int, head: bytes = b"") -> BinaryIO:
    return cast(BinaryIO, FileParts(file, [head, (start, end)]))


def _one_after_another(
    sections: Sequence[_Section],
    name: str,
    stack: ExitStack,
    notes: DecodingNotes,
    at_end: Callable[[float], None],
) -> _Decoded:
    """Decode sections one after another, all at the rate and in the channels of the first.

    A section of which nothing can be decoded is noted as damage.
    """
    opened = stack.enter_context(ExitStack())
    reason, number, decoder = FormatError("nothing can be decoded"), 0, None
    for number, section in enumerate(sections):  # noqa: B007
        try:
            decoder = _started(section.file, name, opened)
            break
        except FormatError as error:
            reason = error
    if decoder is None:
        raise reason
    rate, channels = decoder.sample_rate, decoder.channels

    def blocks(first: SoundFileDecoder) -> Iterator[Block]:
        frames = 0
        if number:
            notes.damage(0.0)
        for place, section in enumerate(sections[number:]):
            current = first
            if place:
                opened.close()
                try:
                    current = _started(section.file, name, opened)
                except FormatError:
                    notes.damage(frames / rate)
                    continue
            for damage in section.damages:
                notes.damage(frames / rate + damage)
            shape = current.sample_rate, current.channels
            for block in fitted(current.blocks, shape, (rate, channels)):
                frames += len(block)
                yield block
            if current.failed:
                notes.damage(frames / rate)
        at_end(frames / rate)

    return rate, channels, blocks(decoder)


def _started(
    file: BinaryIO, name: str, stack: ExitStack, wrong_size: int | None = None
) -> SoundFileDecoder:
    """Open a file with libsndfile and decode its first block, so that it is known to be one."""
    file.seek(0)
    with ExitStack() as opened:
        decoder = decode_libsndfile(file, name, opened, wrong_size)
        first = next(decoder.blocks, None)
        if first is not None:
            decoder.blocks = chain([first], decoder.blocks)
        stack.enter_context(opened.pop_all())
    return decoder


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
