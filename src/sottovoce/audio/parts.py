"""Parts of recordings: a file is decoded once, and its parts are cut out as it passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sottovoce.audio import Audio, Source
from sottovoce.audio.decode import Block, decode
from sottovoce.errors import AudioError
from sottovoce.text import display_path

ROUNDING = 0.1
"""s by which a part may end after its recording does: tables round, and durations are rounded."""


class AudioPart(NamedTuple):
    """A recording in a file: all of it, or from `start` to `end`."""

    path: Path
    start: float = 0.0
    """s"""
    end: float | None = None
    """s; None: the end of the file."""

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole file."""
        return self.start == 0 and self.end is None

    @property
    def span(self) -> str:
        """Its times in s, as they stand in names: "#3.2-7.05"; empty for a whole file."""
        if self.is_whole:
            return ""
        return f"#{_seconds(self.start)}-{'' if self.end is None else _seconds(self.end)}"

    def __str__(self) -> str:
        return display_path(self.path) + self.span


def read_parts(
    path: Path, parts: Sequence[AudioPart]
) -> Iterator[tuple[AudioPart, Audio | AudioError]]:
    """Cut parts out of a file, with all channels at its own rate, in one pass over it.

    Only the parts that are being cut are held in memory. They come as they are complete, so in
    order of their ends; samples are those of `Audio.read(path, mono=False).crop(start, end)`.

    Args:
        path: the file of all `parts`.
        parts: each once.

    Returns:
        Each part and its sound; an error, not raised, for one that ends after the recording does.

    Raises:
        AudioError: the file cannot be decoded.
    """
    with ExitStack() as stack:
        rate, blocks = decode(path, stack)
        waiting = sorted(parts, key=lambda part: part.start, reverse=True)
        limits = {
            part: (round(part.start * rate), None if part.end is None else round(part.end * rate))
            for part in parts
        }
        cutting: dict[AudioPart, list[Block]] = {}
        position = 0
        for block in blocks:
            after = position + len(block)
            while waiting and (limits[waiting[-1]][0] < after or waiting[-1].is_whole):
                cutting[waiting.pop()] = []
            for part in list(cutting):
                first, last = limits[part]
                stop = len(block) if last is None else max(0, last - position)
                cutting[part].append(block[max(0, first - position) : stop])
                if last is not None and last <= after:
                    yield part, _joined(cutting.pop(part), rate)
            position = after
            if not waiting and not cutting:
                return
        length = position / rate
        for part, pieces in cutting.items():
            if part.end is None or part.end <= length + ROUNDING:
                yield part, _joined(pieces, rate)
            else:
                waiting.append(part)
        for part in waiting:
            yield part, AudioError(f"{part}: the recording ends at {_seconds(length)} s")


def sounds(parts: Sequence[AudioPart]) -> Iterator[Source]:
    """What can be predicted of each part, in their order: the path of a whole file, else `Audio`.

    Neighbours that are parts of one file are cut out of it in one pass, so parts should stand in
    order of path and start; each once.

    Raises:
        AudioError: as `read_parts`, and where a part ends after its recording does.
    """
    for (path, whole), group in groupby(parts, lambda part: (part.path, part.is_whole)):
        wanted = list(group)
        if whole:
            yield from (part.path for part in wanted)
            continue
        done: dict[AudioPart, Audio | AudioError] = {}
        cut = read_parts(path, wanted)
        for part in wanted:
            while part not in done:
                done.update([next(cut)])
            sound = done.pop(part)
            if isinstance(sound, AudioError):
                raise sound
            yield sound


def _joined(pieces: list[Block], rate: int) -> Audio:
    return Audio(np.concatenate(pieces).T, rate)


def _seconds(value: float) -> str:
    """Without needless zeros, to the microsecond."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
