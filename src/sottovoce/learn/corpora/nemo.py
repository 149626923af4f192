"""nEMO: nine actors say 90 Polish sentences in six emotions (Christop, 2024).

A name is speaker_emotion_sentence, such as WR0_surprised_64, in the folder samples or flat. The
speakers' sex and the texts are in data.tsv alone, which names .wav files whatever they are here.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Archive, Clip, CorpusProblem, Listing
from sottovoce.learn.corpora._folder import (
    OddName,
    find_file,
    list_clips,
    missing_clips,
    missing_count,
)
from sottovoce.text import display_path

NAME = "nemo"
LICENCE = "CC-BY-NC-SA-4.0"
PAGE = "https://github.com/amu-cai/nEMO"
SOURCE = Archive(  # the commit says what is in it; GitHub may pack it otherwise another day
    f"{PAGE}/archive/06f1f83dde8f1a780443a57d53b2af3971af34ab.zip",
    PAGE,
)

EMOTION_CODES = {
    "neutral": "neutral",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "surprised": "surprised",
}
CLIPS = 4481
TABLE = "data.tsv"
COLUMNS = ("file_id", "raw_text", "speaker_id", "gender")


def read(folder: Path) -> Listing:
    """List the clips under `folder`, and what is odd, left out or missing.

    Raises:
        CorpusError: the folder is not there, there is no audio in it, or its table cannot be read.
    """
    table = _table(folder)

    def parse(path: Path) -> tuple[str, Clip]:
        parts = path.stem.split("_")
        if len(parts) != 3 or not parts[0] or not parts[2].isdigit():
            raise OddName("not speaker_emotion_sentence, like WR0_surprised_64")
        if parts[1] not in EMOTION_CODES:
            raise OddName(f"emotion {parts[1]} does not exist; known: {', '.join(EMOTION_CODES)}")
        row = table.get(path.stem, {})
        return path.stem, Clip(
            path=path,
            corpus=NAME,
            speaker=f"{NAME}/{parts[0]}",
            sex=row.get("gender", ""),
            emotion=EMOTION_CODES[parts[1]],
            text=row.get("raw_text", ""),
            language="pl",
        )

    clips, problems = list_clips(folder, parse)
    if table:
        complete: dict[str, list[str]] = defaultdict(list)
        for stem, row in table.items():
            complete[row["speaker_id"]].append(stem)
        problems += missing_clips(complete, clips, "speakers")
    else:
        text = f"no {TABLE}, so the sex of the speakers and the texts are not known"
        problems.append(CorpusProblem(None, "missing", text))
        problems += missing_count(clips, CLIPS)
    return Listing(tuple(clips.values()), tuple(problems))


def _table(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Stem of the file -> its row, without the blanks around some fields."""
    path = find_file(folder, TABLE)  # beside it where the folder given is samples
    if path is None:
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        records = [{column: row[column].strip() for column in COLUMNS} for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError) as error:
        raise CorpusError(
            f"{display_path(path)}: not nEMO's table; it should have the columns "
            + ", ".join(COLUMNS)
        ) from error
    return {Path(record["file_id"]).stem: record for record in records}
