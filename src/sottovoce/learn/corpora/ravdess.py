"""RAVDESS: 24 actors speak two sentences in eight emotions (Livingstone and Russo, 2018).

A name is modality-channel-emotion-intensity-statement-repetition-actor, such as
03-01-06-01-02-01-12. Only speech (channel 01) recorded as sound (modality 03) is read: 60 clips
of each actor. The folders may be nested (Actor_NN) or flat; the names say everything. The same
actors' songs are the corpus ravdess-song.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from pathlib import Path

from sottovoce.emotions import CORPUS_EMOTIONS
from sottovoce.learn.corpora import Clip, Listing, Problem
from sottovoce.learn.corpora._files import AUDIO, files
from sottovoce.learn.corpora._names import missing
from sottovoce.learn.corpora._sources import Archive

NAME = "ravdess"
LICENCE = "CC-BY-NC-SA-4.0"
PAGE = "https://zenodo.org/records/1188976"
SOURCE = Archive(
    f"{PAGE}/files/Audio_Speech_Actors_01-24.zip?download=1",
    PAGE,
    size=208_468_073,
    digest="md5:bc696df654c87fed845eb13823edef8a",
)

MODALITIES = {"01": "audio-video", "02": "video only", "03": "audio only"}
CHANNELS = {"01": "speech", "02": "song"}
EMOTIONS = CORPUS_EMOTIONS[NAME]
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
REPETITIONS = {"01": "first", "02": "second"}
ACTORS = {f"{number:02}": "male" if number % 2 else "female" for number in range(1, 25)}
PARTS = {
    "modality": MODALITIES,
    "channel": CHANNELS,
    "emotion": EMOTIONS,
    "intensity": INTENSITIES,
    "statement": STATEMENTS,
    "repetition": REPETITIONS,
    "actor": ACTORS,
}


def read(folder: Path) -> Listing:
    """List the speech clips under `folder`, and what is odd, left out or missing.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    clips, problems = read_channel(folder, NAME, "01")
    return Listing(tuple(clips.values()), (*problems, *missing(_whole(), clips)))


def read_channel(folder: Path, corpus: str, channel: str) -> tuple[dict[str, Clip], list[Problem]]:
    """List the clips of speech (channel 01) or song (02) by their names, and what is left out.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    clips: dict[str, Clip] = {}
    problems: list[Problem] = []
    left_out: Counter[str] = Counter()
    repeated: list[Path] = []
    for path in files(folder):
        wrong = _what_is_wrong(path)
        if wrong:
            problems.append(Problem(path, "odd name", f"left out: {wrong}"))
            continue
        modality, heard, emotion, intensity, statement, _, actor = path.stem.split("-")
        if (modality, heard) != ("03", channel):
            left_out[f"{MODALITIES[modality]} {CHANNELS[heard]}"] += 1
        elif path.stem in clips:
            repeated.append(path)
        else:
            clips[path.stem] = Clip(
                path=path,
                corpus=corpus,
                speaker=f"{NAME}/{actor}",
                sex=ACTORS[actor],
                emotion=EMOTIONS[emotion],
                intensity=INTENSITIES[intensity],
                text=STATEMENTS[statement],
                language="en",
            )
    for what, count in left_out.items():
        text = f"{count} clips of {what} left out: only {CHANNELS[channel]}, audio only, is read"
        problems.append(Problem(None, "left out", text))
    if repeated:
        text = f"{len(repeated)} clips are here again, by the same name; the first of each is used"
        problems.append(Problem(repeated[0], "repeated", text))
    return clips, problems


def _what_is_wrong(path: Path) -> str:
    """Why a file is no clip of RAVDESS; empty when it is one."""
    if path.suffix.lower() not in AUDIO:
        return "not an audio file"
    if not re.fullmatch(r"\d\d(-\d\d){6}", path.stem):
        return "not seven two-digit numbers, like 03-01-06-01-02-01-12"
    for value, (part, allowed) in zip(path.stem.split("-"), PARTS.items(), strict=True):
        if value not in allowed:
            return f"{part} {value} does not exist; it goes from 01 to {max(allowed)}"
    if path.stem.split("-")[2:4] == ["01", "02"]:
        return "neutral (01) has no strong intensity (02)"
    return ""


def _whole() -> dict[str, list[str]]:
    """The clips of each actor in a whole copy."""
    return {
        f"Actor_{actor}": [
            "-".join(("03", "01", *parts, actor))
            for parts in product(EMOTIONS, INTENSITIES, STATEMENTS, REPETITIONS)
            if parts[:2] != ("01", "02")
        ]
        for actor in ACTORS
    }
