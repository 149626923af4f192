"""Subtitles, WebVTT and SubRip, whose texts are labels."""

from __future__ import annotations

import html
import re

from sottovoce.annotations.entry import LabelEntry, checked_span, seconds
from sottovoce.errors import CorpusError

CUE = re.compile(r"\s*([\d:.,]+)\s+-->\s+([\d:.,]+)(?:\s.*)?")
VOICE = re.compile(r"<v(?:\.\S*)?\s+([^>]*)>")
TAG = re.compile(r"<[^>]*>")
CONFIDENCE = re.compile(r"\s+\d+\s?%$")
"""What Sottovoce writes after the emotion."""


def is_subtitles(text: str) -> bool:
    """Whether a text is WebVTT or SubRip: a line of times among the first that are not empty."""
    lines = [line for line in text[:2000].split("\n") if line.strip()]
    return lines[:1] != [] and (lines[0].startswith("WEBVTT") or any(map(CUE.fullmatch, lines[:2])))


def subtitle_entries(text: str, where: str) -> list[LabelEntry]:
    """The cues; a cue's voice (<v Anna>) is its speaker.

    Raises:
        CorpusError: there are no cues, or a time makes no sense.
    """
    entries = []
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        cue = CUE.fullmatch(lines[number])
        number += 1
        if cue is None:
            continue
        place = f"line {number}"
        content = []
        while number < len(lines) and lines[number].strip():
            content.append(lines[number])
            number += 1
        try:
            start, end = seconds(cue[1]), seconds(cue[2])
        except ValueError as error:
            raise CorpusError(f"{where}: {place}: {error}") from None
        spoken = " ".join(content)
        voice = VOICE.search(spoken)
        label = CONFIDENCE.sub("", " ".join(html.unescape(TAG.sub("", spoken)).split()))
        span = checked_span(start, end, f"{where}: {place}")
        entries.append(
            LabelEntry(place, "", label, *span, speaker=voice[1].strip() if voice else "")
        )
    if not entries:
        raise CorpusError(f"{where}: no cues; expected lines such as 00:00:01.000 --> 00:00:02.500")
    return entries
