"""Any table or other annotations of your own: CSV, Parquet, Label Studio, Audacity, Praat, WebVTT.

In place of a folder the file is given; `sottovoce.annotations` reads it. Labels are emotions of
`sottovoce.emotions` or any other words.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sottovoce.annotations import (
    DEFAULT_COLUMNS,
    Annotation,
    AnnotationNote,
    read_annotations,
)
from sottovoce.learn.corpora import TABLE, Clip, CorpusProblem, Listing, ManualDownload
from sottovoce.options import TableSpec

NAME = TABLE
LICENCE = "that of the clips in the table"
SOURCE = ManualDownload("", "a table is your own; there is nothing to fetch")
EMOTION_CODES: dict[str, str] = {}
"""None of its own."""


def read(file: Path, columns: TableSpec = DEFAULT_COLUMNS) -> Listing:
    """List the clips that a file of annotations names.

    Raises:
        CorpusError: the file cannot be read or understood, names a recording that is not there, or
            gives a clip two labels.
        MissingExtraError: it is Parquet, and pyarrow is not installed.
    """
    found = read_annotations(file, columns)
    return as_listing(NAME, found.clips, found.notes)


def as_listing(
    corpus: str, clips: Iterable[Annotation], notes: Iterable[AnnotationNote]
) -> Listing:
    """Annotations as the clips of a corpus.

    Those who are not named are one speaker, "table/unknown": so no protocol takes them for
    different people.
    """
    made = tuple(
        Clip(
            path=clip.part.path,
            corpus=corpus,
            speaker=f"{corpus}/{clip.speaker or 'unknown'}",
            sex=clip.sex,
            emotion=clip.label,
            split=clip.split,
            start=clip.part.start,
            end=clip.part.end,
        )
        for clip in clips
    )
    problems = [CorpusProblem(note.path, note.kind, note.message) for note in notes]
    nobody = sum(clip.speaker == f"{corpus}/unknown" for clip in made)
    if 0 < nobody < len(made):
        text = f"{nobody} clips name no speaker, and count as one person"
        problems.append(CorpusProblem(None, "no speaker", text))
    return Listing(made, tuple(problems))
