"""SAVEE: four men say sentences of TIMIT in seven emotions (Haq and Jackson, 2010).

In the owners' archive a folder names the speaker and a file the emotion and the sentence
(AudioData/DC/a01.wav); in the flat copies the file names all three (DC_a01.wav).
"""

from __future__ import annotations

import re
from pathlib import Path

from sottovoce.emotions import CORPUS_EMOTIONS
from sottovoce.learn.corpora import Clip, Listing
from sottovoce.learn.corpora._names import OddName, list_clips, missing
from sottovoce.learn.corpora._sources import ByHand

NAME = "savee"
LICENCE = "for research only; ask its owners at the University of Surrey"
SOURCE = ByHand(
    "http://kahlan.eps.surrey.ac.uk/savee/",
    "its owners at the University of Surrey give it to researchers who register with them: "
    "http://kahlan.eps.surrey.ac.uk/savee/Download.html",
)

EMOTIONS = CORPUS_EMOTIONS[NAME]
SPEAKERS = ("DC", "JE", "JK", "KL")
SENTENCES = {emotion: 30 if emotion == "n" else 15 for emotion in EMOTIONS}
"""Of each emotion, by each speaker."""


def read(folder: Path) -> Listing:
    """List the clips under `folder`, and what is odd, left out or missing.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    clips, problems = list_clips(folder, _parse)
    whole = {
        speaker: [
            f"{speaker}_{emotion}{sentence:02}"
            for emotion, count in SENTENCES.items()
            for sentence in range(1, count + 1)
        ]
        for speaker in SPEAKERS
    }
    return Listing(tuple(clips.values()), (*problems, *missing(whole, clips, "speakers")))


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
        emotion=EMOTIONS[name[2]],
        language="en",
    )
