"""RAVDESS: 24 actors speak two sentences in eight emotions (Livingstone and Russo, 2018).

A name is modality-channel-emotion-intensity-statement-repetition-actor, such as
03-01-06-01-02-01-12. Only speech (channel 01) recorded as sound (modality 03) is read: 60 clips
of each actor. The folders may be nested (Actor_NN) or flat; the names say everything. The same
actors' songs are the corpus ravdess-song.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from sottovoce.learn.corpora import Archive, Clip, Listing
from sottovoce.learn.corpora._folder import OddName, OtherMaterial, list_clips, missing_clips

NAME = "ravdess"
LICENCE = "CC-BY-NC-SA-4.0"
PAGE = "https://zenodo.org/records/1188976"
SOURCE = Archive(
    f"{PAGE}/files/Audio_Speech_Actors_01-24.zip?download=1",
    PAGE,
    size=208_468_073,
    checksum="md5:bc696df654c87fed845eb13823edef8a",
)

MODALITIES = {"01": "audio-video", "02": "video only", "03": "audio only"}
CHANNELS = {"01": "speech", "02": "song"}
EMOTION_CODES = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
REPETITIONS = {"01": "first", "02": "second"}
ACTORS = {f"{number:02}": "male" if number % 2 else "female" for number in range(1, 25)}
PARTS = {
    "modality": MODALITIES,
    "channel": CHANNELS,
    "emotion": EMOTION_CODES,
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
    return read_channel(folder, NAME, "01", EMOTION_CODES, tuple(ACTORS))


def read_channel(
    folder: Path, corpus: str, channel: str, emotions: Iterable[str], actors: Iterable[str]
) -> Listing:
    """List the clips of one channel.

    Args:
        folder: where RAVDESS lies.
        corpus: name of the corpus that the clips belong to.
        channel: "01" is speech and "02" song; what else is there is left out.
        emotions: codes of those that a whole copy has in this channel.
        actors: those that a whole copy has in this channel.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """

    def parse(path: Path) -> tuple[str, Clip]:
        _check_name(path.stem)
        modality, its_channel, emotion, intensity, statement, _, actor = path.stem.split("-")
        if (modality, its_channel) != ("03", channel):
            raise OtherMaterial(
                f"{MODALITIES[modality]} {CHANNELS[its_channel]} left out: "
                f"only {CHANNELS[channel]}, audio only, is read"
            )
        return path.stem, Clip(
            path=path,
            corpus=corpus,
            speaker=f"{NAME}/{actor}",
            sex=ACTORS[actor],
            emotion=EMOTION_CODES[emotion],
            intensity=INTENSITIES[intensity],
            text=STATEMENTS[statement],
            language="en",
        )

    clips, problems = list_clips(folder, parse, report_other_files=True)
    spoken = [
        parts
        for parts in product(emotions, INTENSITIES, STATEMENTS, REPETITIONS)
        if parts[:2] != ("01", "02")
    ]
    complete = {
        f"Actor_{actor}": ["-".join(("03", channel, *parts, actor)) for parts in spoken]
        for actor in actors
    }
    return Listing(tuple(clips.values()), (*problems, *missing_clips(complete, clips)))


def _check_name(stem: str) -> None:
    """Raise `OddName` unless a file is named like a clip of RAVDESS."""
    if not re.fullmatch(r"\d\d(-\d\d){6}", stem):
        raise OddName("not seven two-digit numbers, like 03-01-06-01-02-01-12")
    codes = stem.split("-")
    for code, (part, allowed) in zip(codes, PARTS.items(), strict=True):
        if code not in allowed:
            raise OddName(f"{part} {code} does not exist; it goes from 01 to {max(allowed)}")
    if codes[2:4] == ["01", "02"]:
        raise OddName("neutral (01) has no strong intensity (02)")
