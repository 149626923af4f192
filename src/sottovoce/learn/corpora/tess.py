"""TESS: two women say "Say the word ..." with 200 words in seven emotions (Dupuis et al., 2010).

A name is speaker_word_emotion, such as OAF_back_angry; OAF is the older of the two and YAF the
younger. The folders (OAF_angry, OAF_Fear, YAF_pleasant_surprised) say nothing that the names do
not, so the files may also be flat. In the original one file is named OA_ for OAF_.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from sottovoce.learn.corpora import Archive, Clip, CorpusProblem, Listing
from sottovoce.learn.corpora._folder import OddName, list_clips, missing_clips

NAME = "tess"
LICENCE = "CC-BY-NC-ND-4.0"
SOURCE = Archive(  # packed on request, so neither its size nor a checksum is published
    "https://borealisdata.ca/api/access/dataset/:persistentId/?persistentId=doi:10.5683/SP2/E8H2MF",
    "https://doi.org/10.5683/SP2/E8H2MF",
)

EMOTION_CODES = {
    "neutral": "neutral",
    "happy": "happy",
    "sad": "sad",
    "angry": "angry",
    "fear": "fearful",
    "disgust": "disgust",
    "ps": "surprised",  # "pleasant surprise"
}
SPEAKERS = {"OAF": "OAF", "OA": "OAF", "YAF": "YAF"}
WORDS = 200


def read(folder: Path) -> Listing:
    """List the clips under `folder`, and what is odd, left out or missing.

    Raises:
        CorpusError: the folder is not there, or there is no audio in it.
    """
    clips, problems = list_clips(folder, _parse)
    complete: dict[str, list[str]] = defaultdict(list)
    words = sorted({key.split("_")[1] for key in clips})
    for speaker in ("OAF", "YAF"):
        for emotion in EMOTION_CODES:
            complete[f"{speaker}_{emotion}"] = [f"{speaker}_{word}_{emotion}" for word in words]
    problems += missing_clips(complete, clips, "parts")
    if len(words) < WORDS:
        text = f"{WORDS - len(words)} words missing everywhere: {len(words)} of {WORDS}"
        problems.append(CorpusProblem(None, "missing", text))
    return Listing(tuple(clips.values()), tuple(problems))


def _parse(path: Path) -> tuple[str, Clip]:
    parts = path.stem.split("_")
    if len(parts) != 3 or not all(parts):
        raise OddName("not speaker_word_emotion, like OAF_back_angry")
    speaker = SPEAKERS.get(parts[0].upper(), "")
    word, emotion = parts[1].lower(), parts[2].lower()
    if not speaker:
        raise OddName(f"speaker {parts[0]} does not exist; known: OAF, YAF")
    if emotion not in EMOTION_CODES:
        raise OddName(f"emotion {parts[2]} does not exist; known: {', '.join(EMOTION_CODES)}")
    return f"{speaker}_{word}_{emotion}", Clip(
        path=path,
        corpus=NAME,
        speaker=f"{NAME}/{speaker}",
        sex="female",
        emotion=EMOTION_CODES[emotion],
        text=f"Say the word {word}",
        language="en",
    )
