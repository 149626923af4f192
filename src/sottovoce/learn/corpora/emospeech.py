"""Indian EmoSpeech Command: people say a command into their own phones in four emotions (2019).

A name is keyword-environment-emotion-time-user; the time is ?? in a few. The speakers judged
their own emotion and nobody checked it; their sex is not known. Clips that name no user, or the
one that stands for any (`UNKNOWN`), are left out, since who speaks has to be known to keep
speakers apart. Users are told apart by their names alone: in the 2023 clips that were looked at
they are 106, each of 56 digits, no two of which agree in more than 12 places, so none is another
one's slip. How many clips a whole copy has is not published.
"""

from __future__ import annotations

import re
from pathlib import Path

from sottovoce.learn.corpora import Clip, Listing, ManualDownload
from sottovoce.learn.corpora._folder import OddName, list_clips

NAME = "emospeech"
LICENCE = "CC-BY-NC-SA-4.0"
PAGE = "https://github.com/RakshakTeam/emospeech-dataset-v1"
SOURCE = ManualDownload(PAGE, f"its clips are in its owners' repository: git clone {PAGE} DIR")

EMOTION_CODES = {
    "calm": "calm",
    "happy": "happy",
    "angry": "angry",
    "fearful": "fearful",
}
UNKNOWN = "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f"
"""What the owners write for a user who is not known."""
LANGUAGES = {"bacho": "hi"}
"""Of the keywords that are not English: "bacho" is Hindi for "watch out"."""


def read(folder: Path) -> Listing:
    """List the clips under `folder`, and what is odd or left out.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    clips, problems = list_clips(folder, _parse)
    return Listing(tuple(clips.values()), tuple(problems))


def _parse(path: Path) -> tuple[str, Clip]:
    parts = path.stem.split("-")
    if len(parts) != 5:
        raise OddName("not keyword-environment-emotion-time-user, like go-safe-calm-1562-0a1b2c")
    keyword, _, emotion, _, user = parts
    if emotion not in EMOTION_CODES:
        raise OddName(f"emotion {emotion} does not exist; known: {', '.join(EMOTION_CODES)}")
    if user == UNKNOWN or not re.fullmatch(r"[0-9a-f]{8,}", user):
        raise OddName("names no user, so it is not known who speaks")
    known = keyword != "unknown"
    return path.stem, Clip(
        path=path,
        corpus=NAME,
        speaker=f"{NAME}/{user[:12]}",  # of 56 digits; so many tell millions of people apart
        sex="",
        emotion=EMOTION_CODES[emotion],
        text=keyword if known else "",
        language=LANGUAGES.get(keyword, "en") if known else "",
    )
