"""Subtitles: WebVTT and SubRip, an entry for each stretch of one emotion.

What has no emotion is left out; an uncertain emotion has a question mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from sottovoce.export import AddSegment, ExportFormat, ExportSubject
from sottovoce.export._files import channel_prefix, label, segments_with_emotion, text_file
from sottovoce.results import Segment
from sottovoce.text import timecode


def webvtt(segments: Iterable[Segment]) -> str:
    """Subtitles in WebVTT (https://www.w3.org/TR/webvtt1/), the channel as the cue's voice."""
    cues = ["WEBVTT\n"]
    for segment in segments_with_emotion(segments):
        voice = "" if segment.channel is None else f"<v channel {segment.channel}>"
        text = _text(segment).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        times = f"{timecode(segment.start)} --> {timecode(segment.end)}"
        cues.append(f"{times}\n{voice}{text}\n")
    return "\n".join(cues)


def subrip(segments: Iterable[Segment]) -> str:
    """Subtitles in SubRip's format (.srt), the channel before the words."""
    cues = []
    for number, segment in enumerate(segments_with_emotion(segments), 1):
        times = f"{timecode(segment.start, ',')} --> {timecode(segment.end, ',')}"
        cues.append(f"{number}\n{times}\n{channel_prefix(segment)}{_text(segment)}\n")
    return "\n".join(cues)


def _text(segment: Segment) -> str:
    return f"{label(segment)} {segment.confidence:.0%}"


def _writer(path: str, about: ExportSubject) -> AbstractContextManager[AddSegment]:
    return text_file(path, webvtt if Path(path).suffix.lower() == ".vtt" else subrip)


FORMAT = ExportFormat(
    "subtitles", "Subtitles: .vtt or .srt.", _writer, (".vtt", ".srt"), "subtitles"
)
