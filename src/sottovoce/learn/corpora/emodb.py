"""EmoDB: ten German actors say ten sentences in seven emotions (Burkhardt et al., 2005).

A name is speaker, text, emotion and version, such as 03a01Fa. The clips lie in the folder wav of
the owners' archive, or flat; what else is in that archive is passed over. Version 2.0 has 281 more
clips, whose emotion fewer listeners recognised, and in the folder laryngo, by the same names, what
a laryngograph recorded: no sound of a voice.
"""

from __future__ import annotations

import re
from pathlib import Path

from sottovoce.learn.corpora import Archive, Clip, Listing
from sottovoce.learn.corpora._folder import OddName, list_clips, missing_count, missing_speakers

NAME = "emodb"
LICENCE = "CC-BY-4.0"
"""Of the record in Zenodo; what is inside its archive says CC0-1.0."""
PAGE = "https://zenodo.org/records/7447302"
SOURCE = Archive(
    f"{PAGE}/files/emodb.zip?download=1",
    PAGE,
    size=39_981_818,
    checksum="md5:9d21362dbc5676ef3ab4745d83ced0db",
)

EMOTION_CODES = {
    "N": "neutral",  # neutral
    "F": "happy",  # Freude
    "T": "sad",  # Trauer
    "W": "angry",  # Wut, hot anger
    "A": "fearful",  # Angst
    "E": "disgust",  # Ekel
    "L": "bored",  # Langeweile
}
SPEAKERS = {
    "03": "male",
    "08": "female",
    "09": "female",
    "10": "male",
    "11": "male",
    "12": "male",
    "13": "female",
    "14": "female",
    "15": "male",
    "16": "female",
}
TEXTS = {
    "a01": "Der Lappen liegt auf dem Eisschrank",
    "a02": "Das will sie am Mittwoch abgeben",
    "a04": "Heute abend könnte ich es ihm sagen",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück",
    "a07": "In sieben Stunden wird es soweit sein",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen",
}
CLIPS = 535


def read(folder: Path) -> Listing:
    """List the clips under `folder`, and what is odd, left out or missing.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    clips, problems = list_clips(folder, _parse)
    problems += missing_speakers(SPEAKERS, clips.values()) + missing_count(clips, CLIPS)
    return Listing(tuple(clips.values()), tuple(problems))


def _parse(path: Path) -> tuple[str, Clip]:
    if path.absolute().parent.name.lower() == "laryngo":
        raise OddName("recorded by a laryngograph, not by a microphone")
    name = re.fullmatch(r"(\d\d)([ab]\d\d)([a-z])([a-z]?)", path.stem, re.IGNORECASE)
    if name is None:
        raise OddName("not speaker, text, emotion and version, like 03a01Fa")
    speaker, text, emotion, version = name[1], name[2].lower(), name[3].upper(), name[4].lower()
    for part, value, allowed in (
        ("speaker", speaker, SPEAKERS),
        ("text", text, TEXTS),
        ("emotion", emotion, EMOTION_CODES),
    ):
        if value not in allowed:
            raise OddName(f"{part} {value} does not exist; known: {', '.join(allowed)}")
    return f"{speaker}{text}{emotion}{version}", Clip(
        path=path,
        corpus=NAME,
        speaker=f"{NAME}/{speaker}",
        sex=SPEAKERS[speaker],
        emotion=EMOTION_CODES[emotion],
        text=TEXTS[text],
        language="de",
    )
