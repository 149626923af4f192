"""Annotations: which recording, or which part of one, has which label, from any file that says so.

Tables (CSV and its kin, JSON lines, Parquet), Label Studio's exports, label tracks of Audacity,
TextGrids of Praat, subtitles. It needs nothing of the learning half; a format is one module here.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sottovoce.annotations.audacity import audacity_entries, is_audacity
from sottovoce.annotations.entry import LabelEntry
from sottovoce.annotations.label_studio import label_studio_entries
from sottovoce.annotations.labels import word_of
from sottovoce.annotations.recordings import RecordingFinder, recording_beside
from sottovoce.annotations.subtitles import is_subtitles, subtitle_entries
from sottovoce.annotations.table import (
    json_lines,
    json_rows,
    parquet_rows,
    separated_rows,
    table_entries,
)
from sottovoce.annotations.text_file import read_text
from sottovoce.annotations.textgrid import is_textgrid, textgrid_entries
from sottovoce.audio.parts import AudioPart
from sottovoce.errors import CorpusError
from sottovoce.options import TableSpec
from sottovoce.text import display_path, one_line, some

SEXES: Mapping[str, str] = MappingProxyType(
    {"m": "male", "male": "male", "f": "female", "female": "female"}
)
CHANNEL = re.compile(r"channel \d+")
"""How the exports of a timeline begin the label, or name the voice, of one channel."""
DEFAULT_COLUMNS = TableSpec()


@dataclass(frozen=True, slots=True)
class Annotation:
    """A clip and its label.

    Attributes:
        part: the recording, or the part of it.
        label: a word: an emotion of `sottovoce.emotions`, or one's own.
        speaker: as the annotations name him or her, or empty.
        sex: "male", "female" or empty.
        split: what the clip is for, as written, or empty.
    """

    part: AudioPart
    label: str
    speaker: str = ""
    sex: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class AnnotationNote:
    """Something about annotations that their owner should know."""

    kind: str
    """"repeated", "no label", "not there" or "uncertain"."""
    message: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a file of annotations says: its clips, in order of path and time, and notes on it."""

    clips: tuple[Annotation, ...]
    notes: tuple[AnnotationNote, ...]


def read_annotations(file: Path, columns: TableSpec = DEFAULT_COLUMNS) -> Annotations:
    """Read a file of annotations, in whichever format its content is.

    Recordings are looked for relative to it; those of formats that name none, beside it, under the
    same name.

    Args:
        file: of annotations.
        columns: what the columns of a table are called, what times count, what labels mean.

    Raises:
        CorpusError: the file cannot be read or understood, names a recording that is not there, or
            gives a clip two labels; one line says which.
        MissingExtraError: it is Parquet, and pyarrow is not installed.
    """
    where = display_path(file)
    if file.is_dir():
        raise CorpusError(
            f"{where}: is a folder; give the file of a table, or name the folder as the corpus "
            "folders"
        )
    entries = _entries(file, columns, where)
    if not entries:
        raise CorpusError(f"{where}: the table has no rows")
    return _resolved(file, entries, columns, where)


def has_own_recording(file: Path) -> bool:
    """Whether a file is of a format that names no recordings, so that one lies beside it."""
    kind = file.suffix.lower()
    if kind in (".textgrid", ".vtt", ".srt"):
        return True
    return kind == ".txt" and is_audacity(read_text(file))


def _entries(file: Path, columns: TableSpec, where: str) -> list[LabelEntry]:
    kind = file.suffix.lower()
    if kind == ".parquet":
        return table_entries(parquet_rows(file), columns, where)
    text = read_text(file)
    if kind == ".jsonl":
        return table_entries(json_lines(text, where), columns, where)
    if kind == ".json":
        return _json_entries(text, columns, where)
    if is_textgrid(text):
        return textgrid_entries(text, columns.label, where)
    if is_subtitles(text):
        return subtitle_entries(text, where)
    if is_audacity(text):
        return audacity_entries(text, where)
    return table_entries(separated_rows(text, columns, where), columns, where)


def _json_entries(text: str, columns: TableSpec, where: str) -> list[LabelEntry]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CorpusError(f"{where}: not JSON: {one_line(error)}") from None
    is_flat = isinstance(found, list) and all(
        isinstance(row, dict) and not any(isinstance(cell, (dict, list)) for cell in row.values())
        for row in found
    )
    if is_flat and found and columns.path in found[0]:
        return table_entries(json_rows(list(enumerate(found, start=1)), where), columns, where)
    try:
        return label_studio_entries(found, columns, where)
    except (AttributeError, TypeError, KeyError) as error:
        raise CorpusError(
            f"{where}: not what Label Studio exports as JSON ({one_line(error)}); export it again"
        ) from None


def _resolved(
    file: Path, entries: Sequence[LabelEntry], columns: TableSpec, where: str
) -> Annotations:
    """Find each entry's recording and word, and see that no clip has two labels."""
    finder = RecordingFinder(file.parent)
    clips: dict[AudioPart, list[tuple[LabelEntry, Annotation]]] = defaultdict(list)
    notes: list[AnnotationNote] = []
    lost, unlabelled, uncertain = list[str](), list[str](), list[str]()
    for entry in entries:
        if not entry.label:
            unlabelled.append(entry.where)
            continue
        path = finder.find(entry.file) if entry.file else recording_beside(file)
        if path is None:
            lost.append(f"{entry.where}: {display_path(entry.file)}")
            continue
        if not entry.file and CHANNEL.match(f"{entry.speaker}{entry.label}"):
            raise CorpusError(
                f"{where}: {entry.where}: labels one channel of its recording; make a recording "
                "of each channel, and label those"
            )
        if not entry.file and entry.label.endswith("?"):
            uncertain.append(entry.where)
            continue
        try:
            label = word_of(entry.label, columns)
        except ValueError as error:
            raise CorpusError(f"{where}: {entry.where}: {error}") from None
        part = AudioPart(path, entry.start, entry.end)
        sex = SEXES.get(entry.sex.lower(), "")
        clips[part].append((entry, Annotation(part, label, entry.speaker, sex, entry.split)))
    if lost and not columns.skip_missing:
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise CorpusError(
            f"{where}: {lost[0]} is not there{more}; paths are taken relative to the table; "
            "--skip-missing, or table.skip_missing in the recipe, leaves such clips out"
        )
    _check_one_label(clips, where)
    for part, found in clips.items():
        for entry, _ in found[1:]:
            text = f"named again in {entry.where}; the first is used"
            notes.append(AnnotationNote("repeated", text, part.path))
    for kind, fault, places in (
        ("not there", "not there", lost),
        ("no label", "without a label", unlabelled),
        ("uncertain", "with a question mark", uncertain),
    ):
        if places:
            notes.append(AnnotationNote(kind, f"{len(places)} {fault}: {some(places)}"))
    if not clips:
        what = "; ".join(note.message for note in notes)
        raise CorpusError(f"{where}: no clip with a label and a recording ({what})")
    order = sorted(clips, key=lambda part: (part.path, part.start, part.end or float("inf")))
    return Annotations(tuple(clips[part][0][1] for part in order), tuple(notes))


def _check_one_label(
    clips: Mapping[AudioPart, Sequence[tuple[LabelEntry, Annotation]]], where: str
) -> None:
    """Stop where a clip is given several labels, or several speakers, and list the places."""
    conflicts = []
    for part, found in clips.items():
        said = {(clip.label, clip.speaker): entry for entry, clip in reversed(found)}
        if len(said) > 1:
            same_label = len({label for label, _ in said}) == 1
            words = ", ".join(
                f"{f'speaker {speaker}' if same_label else label} in {entry.where}"
                for (label, speaker), entry in reversed(said.items())
            )
            name = display_path(found[0][0].file or part.path.name)
            conflicts.append(f"{name}{part.span} is {words}")
    if conflicts:
        raise CorpusError(
            f"{where}: {len(conflicts)} {'clips have' if len(conflicts) > 1 else 'clip has'} more "
            f"than one label: {some(conflicts, '; ')}; keep one row for each clip"
        )
