"""A TextGrid of the phonetics program Praat, an interval for each stretch of one emotion.

What has no emotion is an empty interval; an uncertain emotion has a question mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from sottovoce.errors import SottovoceError
from sottovoce.export import AddSegment, ExportFormat, ExportSubject
from sottovoce.export._files import label, text_file
from sottovoce.inference.segments import merge_segments
from sottovoce.results import Segment


def textgrid(segments: Iterable[Segment]) -> str:
    """A TextGrid of Praat in its long text format, an interval tier for each channel.

    The format is described in Praat's manual under "TextGrid file formats".

    Raises:
        SottovoceError: there are no segments; Praat has no TextGrid of no length.
    """
    channels: dict[int | None, list[Segment]] = {}
    for segment in merge_segments(segments):
        channels.setdefault(segment.channel, []).append(segment)
    end = max((tier[-1].end for tier in channels.values()), default=0.0)
    if not end:
        raise SottovoceError("the recording is empty; a TextGrid must have a length")
    lines = [
        *('File type = "ooTextFile"', 'Object class = "TextGrid"', ""),
        *("xmin = 0", f"xmax = {end:.6f}", "tiers? <exists>", f"size = {len(channels)}"),
        "item []:",
    ]
    tiers = sorted(channels.items(), key=lambda item: item[0] or 0)
    for number, (channel, tier) in enumerate(tiers, 1):
        name = "emotion" if channel is None else f"emotion channel {channel}"
        intervals = _intervals(tier)
        lines += [
            *(f"    item [{number}]:", '        class = "IntervalTier"'),
            *(f'        name = "{name}"', "        xmin = 0", f"        xmax = {end:.6f}"),
            f"        intervals: size = {len(intervals)}",
        ]
        for place, (start, stop, text) in enumerate(intervals, 1):
            quoted = text.replace('"', '""')
            lines += [
                *(f"        intervals [{place}]:", f"            xmin = {start:.6f}"),
                *(f"            xmax = {stop:.6f}", f'            text = "{quoted}"'),
            ]
    return "\n".join(lines) + "\n"


def _intervals(tier: list[Segment]) -> list[tuple[float, float, str]]:
    """Start, end and text, with neighbours of the same text merged."""
    merged: list[tuple[float, float, str]] = []
    for segment in tier:
        text, start = label(segment), segment.start
        if merged and merged[-1][2] == text:
            start = merged.pop()[0]
        merged.append((start, segment.end, text))
    return merged


def _writer(path: str, about: ExportSubject) -> AbstractContextManager[AddSegment]:
    return text_file(path, textgrid)


FORMAT = ExportFormat("textgrid", "A TextGrid for Praat.", _writer)
