"""RAVDESS song: 23 of RAVDESS's actors sing its two sentences in six emotions.

Named as the speech is, with channel 02. There is no song by actor 18, and none in disgust or
surprise: 44 clips of each actor. The speakers are those of the corpus ravdess.
"""

from itertools import product
from pathlib import Path

from sottovoce.emotions import CORPUS_EMOTIONS
from sottovoce.learn.corpora import Listing
from sottovoce.learn.corpora._names import missing
from sottovoce.learn.corpora._sources import Archive
from sottovoce.learn.corpora.ravdess import (
    ACTORS,
    INTENSITIES,
    LICENCE,
    PAGE,
    REPETITIONS,
    STATEMENTS,
    read_channel,
)

__all__ = ["LICENCE", "NAME", "SOURCE", "read"]

NAME = "ravdess-song"
SOURCE = Archive(
    f"{PAGE}/files/Audio_Song_Actors_01-24.zip?download=1",
    PAGE,
    size=225_505_317,
    digest="md5:5411230427d67a21e18aa4d466e6d1b9",
)
EMOTIONS = CORPUS_EMOTIONS[NAME]


def read(folder: Path) -> Listing:
    """List the sung clips under `folder`, and what is odd, left out or missing.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    clips, problems = read_channel(folder, NAME, "02")
    whole = {
        f"Actor_{actor}": [
            "-".join(("03", "02", *parts, actor))
            for parts in product(EMOTIONS, INTENSITIES, STATEMENTS, REPETITIONS)
            if parts[:2] != ("01", "02")
        ]
        for actor in ACTORS
        if actor != "18"
    }
    return Listing(tuple(clips.values()), (*problems, *missing(whole, clips)))
