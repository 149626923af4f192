"""A label track of the audio editor Audacity, a label for each stretch of one emotion.

What has no emotion is left out; an uncertain emotion has a question mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from sottovoce.export import AddSegment, ExportFormat, ExportSubject
from sottovoce.export._files import channel_prefix, label, segments_with_emotion, text_file
from sottovoce.results import Segment


def audacity(segments: Iterable[Segment]) -> str:
    """A label track of Audacity (File, Import, Labels): start, end and label between tabs."""
    return "".join(
        f"{segment.start:.6f}\t{segment.end:.6f}\t{channel_prefix(segment)}{label(segment)}\n"
        for segment in segments_with_emotion(segments)
    )


def _writer(path: str, about: ExportSubject) -> AbstractContextManager[AddSegment]:
    return text_file(path, audacity)


FORMAT = ExportFormat("audacity", "A label track for Audacity.", _writer)
