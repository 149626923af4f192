"""Emotion over time as other programs read it: subtitles, Praat's TextGrid, Audacity's labels.

All give one entry a stretch (see `sottovoce.inference.segments.stretches`), in order of time.
What has no emotion is left out, or empty in a TextGrid; an emotion of status `uncertain` has a
question mark.
"""

from __future__ import annotations

from collections.abc import Iterable

from sottovoce.errors import SottovoceError
from sottovoce.inference.segments import merge_segments
from sottovoce.results import Segment, Status
from sottovoce.text import one_line


def webvtt(segments: Iterable[Segment]) -> str:
    """Subtitles in WebVTT (https://www.w3.org/TR/webvtt1/), the channel as the cue's voice."""
    cues = ["WEBVTT\n"]
    for one in _named(segments):
        voice = "" if one.channel is None else f"<v channel {one.channel}>"
        text = _words(one).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"{_clock(one.start, '.')} --> {_clock(one.end, '.')}\n{voice}{text}\n")
    return "\n".join(cues)


def subrip(segments: Iterable[Segment]) -> str:
    """Subtitles in SubRip's format (.srt), the channel before the words."""
    cues = []
    for number, one in enumerate(_named(segments), 1):
        voice = "" if one.channel is None else f"channel {one.channel}: "
        times = f"{_clock(one.start, ',')} --> {_clock(one.end, ',')}"
        cues.append(f"{number}\n{times}\n{voice}{_words(one)}\n")
    return "\n".join(cues)


def audacity(segments: Iterable[Segment]) -> str:
    """A label track of Audacity (File, Import, Labels): start, end and label between tabs."""
    return "".join(
        f"{one.start:.6f}\t{one.end:.6f}\t"
        f"{'' if one.channel is None else f'channel {one.channel}: '}{_label(one)}\n"
        for one in _named(segments)
    )


def textgrid(segments: Iterable[Segment]) -> str:
    """A TextGrid of Praat in its long text format, an interval tier for each channel.

    The format is described in Praat's manual under "TextGrid file formats".

    Raises:
        SottovoceError: there are no segments; Praat has no TextGrid of no length.
    """
    tiers: dict[int | None, list[Segment]] = {}
    for one in merge_segments(segments):
        tiers.setdefault(one.channel, []).append(one)
    end = max((run[-1].end for run in tiers.values()), default=0.0)
    if not end:
        raise SottovoceError("the recording is empty; a TextGrid must have a length")
    lines = [
        *('File type = "ooTextFile"', 'Object class = "TextGrid"', ""),
        *("xmin = 0", f"xmax = {end:.6f}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"),
    ]
    for number, (channel, run) in enumerate(sorted(tiers.items(), key=lambda one: one[0] or 0), 1):
        name = "emotion" if channel is None else f"emotion channel {channel}"
        intervals = _intervals(run)
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


def _intervals(run: list[Segment]) -> list[tuple[float, float, str]]:
    """Start, end and text, with neighbours of the same text as one."""
    joined: list[tuple[float, float, str]] = []
    for one in run:
        text, start = _label(one), one.start
        if joined and joined[-1][2] == text:
            start = joined.pop()[0]
        joined.append((start, one.end, text))
    return joined


def _named(segments: Iterable[Segment]) -> list[Segment]:
    """The stretches with an emotion, but for those shorter than a subtitle can say."""
    named = (one for one in merge_segments(segments) if one.emotion is not None)
    return sorted(
        (one for one in named if round(1000 * one.end) > round(1000 * one.start)),
        key=lambda one: (one.start, one.channel or 0),
    )


def _label(one: Segment) -> str:
    if one.emotion is None:
        return ""
    return one_line(one.emotion) + ("?" if one.status is Status.UNCERTAIN else "")


def _words(one: Segment) -> str:
    return f"{_label(one)} {one.confidence:.0%}"


def _clock(seconds: float, point: str) -> str:
    """hh:mm:ss.mmm, as subtitles have it.

    >>> _clock(3661.5, ",")
    '01:01:01,500'
    """
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    whole, rest = divmod(milliseconds, 1000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{whole:02}{point}{rest:03}"
