"""A folder of your own: a folder for each emotion, recordings with annotations, or an audio folder.

The folders' names are the labels: angry/001.wav, anna/angry/001.wav, angry/anna/001.wav,
train/angry/001.wav. A folder with metadata.csv or metadata.jsonl is one of Hugging Face `datasets`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sottovoce.annotations import (
    DEFAULT_COLUMNS,
    Annotation,
    AnnotationNote,
    has_own_recording,
    read_annotations,
)
from sottovoce.annotations.labels import KNOWN, word_of
from sottovoce.annotations.recordings import AUDIO, recordings_named
from sottovoce.audio.parts import AudioPart
from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import FOLDERS, Listing, ManualDownload
from sottovoce.learn.corpora._folder import files
from sottovoce.learn.corpora.table import as_listing
from sottovoce.options import TableSpec
from sottovoce.text import display_path, some

NAME = FOLDERS
LICENCE = "that of the clips in the folder"
SOURCE = ManualDownload("", "a folder is your own; there is nothing to fetch")
EMOTION_CODES: dict[str, str] = {}
"""None of its own."""

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""How Hugging Face `datasets` calls the table of an audio folder."""
METADATA_PATH = "file_name"
"""Its column of files."""
SPLITS = frozenset(("train", "training", "validation", "valid", "val", "dev", "test", "eval"))
"""Folders of these names are splits, neither labels nor speakers."""


def read(folder: Path, columns: TableSpec = DEFAULT_COLUMNS) -> Listing:
    """List the clips in a folder.

    Raises:
        CorpusError: the folder is not there or has no audio, which of its folders' names are the
            labels is not clear, or a table in it cannot be used.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - without links resolved
    found = files(folder)
    metadata = [path for path in found if path.name.lower() in METADATA]
    if metadata:
        return _read_metadata(folder, metadata, columns)
    recordings = [path for path in found if path.suffix.lower() in AUDIO]
    annotated = [
        path
        for path in found
        if path.suffix.lower() not in AUDIO
        and recordings_named(path.stem, path.parent)
        and has_own_recording(path)
    ]
    if annotated:
        return _read_annotated(folder, recordings, annotated, columns)
    return _read_names(folder, recordings, columns)


def _read_metadata(folder: Path, tables: Sequence[Path], columns: TableSpec) -> Listing:
    """The clips of an audio folder; the folder of a split says what its clips are for."""
    if columns.path == DEFAULT_COLUMNS.path:
        columns = columns.model_copy(update={"path": METADATA_PATH})
    clips: list[Annotation] = []
    notes: list[AnnotationNote] = []
    for table in tables:
        found = read_annotations(table, columns)
        notes += found.notes
        for clip in found.clips:
            names = Path(os.path.relpath(clip.part.path, folder)).parts
            split = next((name for name in names if name.lower() in SPLITS), "")
            clips.append(replace(clip, split=clip.split or split))
    return as_listing(NAME, clips, notes)


def _read_annotated(
    folder: Path, recordings: Sequence[Path], annotated: Sequence[Path], columns: TableSpec
) -> Listing:
    """The parts of recordings that files of the same names label; their folder is the speaker."""
    clips: list[Annotation] = []
    notes: list[AnnotationNote] = []
    heard = set()
    for file in annotated:
        found = read_annotations(file, columns)
        notes += (replace(note, path=note.path or file) for note in found.notes)
        above = file.parent.name if file.parent != folder else ""
        clips += (replace(clip, speaker=clip.speaker or above) for clip in found.clips)
        heard |= {clip.part.path for clip in found.clips}
    silent = [path.name for path in recordings if path not in heard]
    if silent:
        names = some([display_path(name) for name in silent])
        notes.append(AnnotationNote("no label", f"{len(silent)} without a label: {names}"))
    return as_listing(NAME, clips, notes)


def _read_names(folder: Path, recordings: Sequence[Path], columns: TableSpec) -> Listing:
    """The clips whose folders' names say the emotion and, where there are two, the speaker."""
    names = {path: path.relative_to(folder).parts[:-1] for path in recordings}
    splits = {
        path: next((name for name in parts if name.lower() in SPLITS), "")
        for path, parts in names.items()
    }
    levels = {
        path: [name for name in parts if name.lower() not in SPLITS]
        for path, parts in names.items()
    }
    loose = [path for path, parts in levels.items() if not parts]
    grouped: dict[int, list[Path]] = defaultdict(list)
    for path, parts in levels.items():
        grouped[len(parts)].append(path)
    grouped.pop(0, None)
    if not grouped:
        raise CorpusError(
            f"{display_path(folder)}: its recordings lie in no folder of their own; put those of "
            "each emotion in a folder named for it, or give a table as the corpus table"
        )
    if len(grouped) > 1 or max(grouped) > 2:
        path = grouped[max(grouped)][0].relative_to(folder)
        raise CorpusError(
            f"{display_path(folder)}: {display_path(path)} lies deeper than others, or too deep; "
            "expected EMOTION/, EMOTION/SPEAKER/ or SPEAKER/EMOTION/ throughout"
        )
    ((depth, chosen),) = grouped.items()
    level = _emotion_level(folder, [levels[path] for path in chosen], depth, columns)
    clips = []
    for path in chosen:
        try:
            label = word_of(levels[path][level], columns)
        except ValueError as error:
            where = display_path(path.relative_to(folder).parent)
            raise CorpusError(f"{display_path(folder)}: {where}: {error}") from None
        speaker = levels[path][1 - level] if depth == 2 else ""
        clips.append(Annotation(AudioPart(path), label, speaker=speaker, split=splits[path]))
    notes = []
    if loose:
        text = f"{len(loose)} in no folder of an emotion: {some([path.name for path in loose])}"
        notes.append(AnnotationNote("no label", text))
    return as_listing(NAME, clips, notes)


def _emotion_level(
    folder: Path, names: Sequence[Sequence[str]], depth: int, columns: TableSpec
) -> int:
    """Which of the folders above each clip is named for its emotion: the one with known names."""
    known = KNOWN | {key.lower() for key in columns.map}
    if depth == 1:
        return 0
    counts = [sum(parts[level].lower() in known for parts in names) for level in range(depth)]
    if counts[0] == counts[1]:
        example = display_path("/".join(names[0]))
        raise CorpusError(
            f"{display_path(folder)}: which is the emotion, and which the speaker, of {example}? "
            "Say what the emotions' folders mean with --map NAME=EMOTION, or table.map in the "
            "recipe"
        )
    return counts.index(max(counts))
