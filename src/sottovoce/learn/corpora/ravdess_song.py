"""RAVDESS song: 23 of RAVDESS's actors sing its two sentences in six emotions.

Named as the speech is, with channel 02. There is no song by actor 18, and none in disgust or
surprise: 44 clips of each actor. The speakers are those of the corpus ravdess.
"""

from pathlib import Path

from sottovoce.learn.corpora import Archive, Listing, ravdess

NAME = "ravdess-song"
LICENCE = ravdess.LICENCE
SOURCE = Archive(
    f"{ravdess.PAGE}/files/Audio_Song_Actors_01-24.zip?download=1",
    ravdess.PAGE,
    size=225_505_317,
    checksum="md5:5411230427d67a21e18aa4d466e6d1b9",
)
EMOTION_CODES = {
    code: emotion
    for code, emotion in ravdess.EMOTION_CODES.items()
    if emotion not in ("disgust", "surprised")
}
ACTORS = tuple(actor for actor in ravdess.ACTORS if actor != "18")


def read(folder: Path) -> Listing:
    """List the sung clips under `folder`, and what is odd, left out or missing.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    return ravdess.read_channel(folder, NAME, "02", EMOTION_CODES, ACTORS)
