"""What several formats share: opening the file, one entry a stretch of time, its label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sottovoce.errors import SottovoceError
from sottovoce.export import AddSegment
from sottovoce.inference.segments import SegmentMerger, merge_segments
from sottovoce.results import Segment, Status
from sottovoce.text import display_path, one_line


@contextmanager
def opened_for_writing(path: str, mode: str, **options: Any) -> Iterator[IO[Any]]:
    """A file, opened with the options of `Path.open`.

    Raises:
        SottovoceError: it cannot be written.
    """
    try:
        file = Path(path).open(mode, **options)  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:
        raise SottovoceError(
            f"{display_path(path)}: cannot be written ({one_line(error)}); choose another file"
        ) from None
    with file:
        yield file


@contextmanager
def text_file(path: str, text: Callable[[list[Segment]], str]) -> Iterator[AddSegment]:
    """A file that is written at the end, by a function of all merged segments."""
    merger, merged = SegmentMerger(), list[Segment]()
    with opened_for_writing(path, "w", encoding="utf-8", newline="\n") as file:
        try:
            yield lambda segment: merged.extend(merger.add(segment))
        finally:
            file.write(text(merged + merger.unfinished()))


def segments_with_emotion(segments: Iterable[Segment]) -> list[Segment]:
    """Merged segments with an emotion, in order of time; none that is shorter than 1 ms."""
    found = (merged for merged in merge_segments(segments) if merged.emotion is not None)
    return sorted(
        (merged for merged in found if round(1000 * merged.end) > round(1000 * merged.start)),
        key=lambda merged: (merged.start, merged.channel or 0),
    )


def channel_prefix(segment: Segment) -> str:
    """The channel, before a label; empty where the channels were mixed."""
    return "" if segment.channel is None else f"channel {segment.channel}: "


def label(segment: Segment) -> str:
    """The emotion, with a question mark where it is uncertain; empty where there is none."""
    if segment.emotion is None:
        return ""
    return one_line(segment.emotion) + ("?" if segment.status is Status.UNCERTAIN else "")
