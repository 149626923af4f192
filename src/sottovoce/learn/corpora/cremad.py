"""CREMA-D: 91 actors say twelve sentences in six emotions (Cao et al., 2014).

A name is actor_sentence_emotion_level, such as 1001_DFA_ANG_XX. The folder may be a clone of the
owners' repository (AudioWAV and AudioMP3) or hold the files flat. The actors' sex is in
VideoDemographics.csv alone.
"""

from __future__ import annotations

import csv
from pathlib import Path

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip, CorpusProblem, Listing, ManualDownload
from sottovoce.learn.corpora._folder import (
    OddName,
    find_file,
    list_clips,
    missing_count,
    missing_speakers,
)
from sottovoce.text import display_path

NAME = "cremad"
LICENCE = "ODbL-1.0 AND DbCL-1.0"
SOURCE = ManualDownload(
    "https://github.com/CheyneyComputerScience/CREMA-D",
    "its clips are in Git LFS, in the mirror that its owners name: "
    "GIT_LFS_SKIP_SMUDGE=1 git clone https://gitlab.com/cs-cooper-lab/crema-d-mirror.git DIR && "
    "git -C DIR lfs pull --include 'AudioWAV/*'",
)

EMOTION_CODES = {
    "NEU": "neutral",
    "HAP": "happy",
    "SAD": "sad",
    "ANG": "angry",
    "FEA": "fearful",
    "DIS": "disgust",
}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
"""One clip of the original is named X for XX."""
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
ACTORS = [str(number) for number in range(1001, 1092)]
CLIPS = 7442
DEMOGRAPHICS = "VideoDemographics.csv"


def read(folder: Path) -> Listing:
    """List the clips under `folder`, and what is odd, left out or missing.

    Raises:
        CorpusError: the folder is not there, there is no audio in it, or its table of actors
            cannot be read.
    """
    sexes, unknown = _sexes(folder)

    def parse(path: Path) -> tuple[str, Clip]:
        parts = path.stem.upper().split("_")
        if len(parts) != 4:
            raise OddName("not actor_sentence_emotion_level, like 1001_DFA_ANG_XX")
        for part, value, allowed in zip(
            ("actor", "sentence", "emotion", "level"),
            parts,
            (ACTORS, SENTENCES, EMOTION_CODES, LEVELS),
            strict=True,
        ):
            if value not in allowed:
                first, *_, last = allowed
                known = f"{first} to {last}" if part == "actor" else ", ".join(allowed)
                raise OddName(f"{part} {value} does not exist; known: {known}")
        actor, sentence, emotion, level = parts
        return path.stem.upper(), Clip(
            path=path,
            corpus=NAME,
            speaker=f"{NAME}/{actor}",
            sex=sexes.get(actor, ""),
            emotion=EMOTION_CODES[emotion],
            intensity=LEVELS[level],
            text=SENTENCES[sentence],
            language="en",
        )

    clips, problems = list_clips(folder, parse)
    problems += unknown + missing_speakers(ACTORS, clips.values(), "actors")
    problems += missing_count(clips, CLIPS)
    return Listing(tuple(clips.values()), tuple(problems))


def _sexes(folder: Path) -> tuple[dict[str, str], list[CorpusProblem]]:
    """The sex of each actor, where the table is in the folder or beside it."""
    table = find_file(folder, DEMOGRAPHICS)  # beside it where the folder given is AudioWAV
    if table is None:
        text = f"no {DEMOGRAPHICS}, so the sex of the actors is not known; it is on CREMA-D's page"
        return {}, [CorpusProblem(None, "missing", text)]
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        return {row["ActorID"].strip(): row["Sex"].strip().lower() for row in rows}, []
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError) as error:
        raise CorpusError(
            f"{display_path(table)}: not CREMA-D's table of actors; it should have the columns "
            "ActorID and Sex"
        ) from error
