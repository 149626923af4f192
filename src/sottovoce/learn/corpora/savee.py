"""SAVEE: four men say sentences of TIMIT in seven emotions (Haq and Jackson, 2010).

In the owners' archive a folder names the speaker and a file the emotion and the sentence
(AudioData/DC/a01.wav); in the flat copies the file names all three (DC_a01.wav).
"""

from __future__ import annotations

import re
from pathlib import Path

from sottovoce.learn.corpora import Clip, Listing, ManualDownload
from sottovoce.learn.corpora._folder import OddName, list_clips, missing_clips

NAME = "savee"
LICENCE = "for research only; ask its owners at the University of Surrey"
SOURCE = ManualDownload(
    "http://kahlan.eps.surrey.ac.uk/savee/",
    "its owners at the University of Surrey give it to researchers who register with them: "
    "http://kahlan.eps.surrey.ac.uk/savee/Download.html",
)

EMOTION_CODES = {
    "n": "neutral",
    "h": "happy",
    "sa": "sad",
    "a": "angry",
    "f": "fearful",
    "d": "disgust",
    "su": "surprised",
}
SPEAKERS = ("DC", "JE", "JK", "KL")
SENTENCES = {emotion: 30 if emotion == "n" else 15 for emotion in EMOTION_CODES}
"""Of each emotion, by each speaker."""


def read(folder: Path) -> Listing:
    """List the clips under `folder`, and what is odd, left out or missing.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    clips, problems = list_clips(folder, _parse)
    complete = {
        speaker: [
            f"{speaker}_{emotion}{sentence:02}"
            for emotion, count in SENTENCES.items()
            for sentence in range(1, count + 1)
        ]
        for speaker in SPEAKERS
    }
    return Listing(tuple(clips.values()), (*problems, *missing_clips(complete, clips, "speakers")))


def _parse(path: Path) -> tuple[str, Clip]:
    name = re.fullmatch(r"(?:([a-z]{2})_)?(a|d|f|h|n|sa|su)(\d\d)", path.stem.lower())
    if name is None:
        raise OddName("not speaker_emotion and sentence, like DC_a01 or DC/sa07")
    speaker = (name[1] or path.absolute().parent.name).upper()
    if speaker not in SPEAKERS:
        where = "" if name[1] else "its folder should be named for its speaker: "
        raise OddName(f"{where}speaker {speaker} does not exist; known: {', '.join(SPEAKERS)}")
    if not 1 <= int(name[3]) <= SENTENCES[name[2]]:
        raise OddName(f"sentence {name[3]} does not exist; there are {SENTENCES[name[2]]}")
    return f"{speaker}_{name[2]}{name[3]}", Clip(
        path=path,
        corpus=NAME,
        speaker=f"{NAME}/{speaker}",
        sex="male",
        emotion=EMOTION_CODES[name[2]],
        language="en",
    )
