"""The emotion vocabulary, the label sets, and each corpus's names mapped onto it."""

from collections.abc import Mapping
from types import MappingProxyType

EMOTIONS: tuple[str, ...] = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
    "bored",
)
"""Every emotion Sottovoce knows: RAVDESS's eight in its order, then what other corpora add."""

CORPUS_EMOTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ravdess": MappingProxyType(
            {
                "01": "neutral",
                "02": "calm",
                "03": "happy",
                "04": "sad",
                "05": "angry",
                "06": "fearful",
                "07": "disgust",
                "08": "surprised",
            }
        ),
        "ravdess-song": MappingProxyType(
            {
                "01": "neutral",
                "02": "calm",
                "03": "happy",
                "04": "sad",
                "05": "angry",
                "06": "fearful",
            }
        ),
        "cremad": MappingProxyType(
            {
                "NEU": "neutral",
                "HAP": "happy",
                "SAD": "sad",
                "ANG": "angry",
                "FEA": "fearful",
                "DIS": "disgust",
            }
        ),
        "tess": MappingProxyType(
            {
                "neutral": "neutral",
                "happy": "happy",
                "sad": "sad",
                "angry": "angry",
                "fear": "fearful",
                "disgust": "disgust",
                "ps": "surprised",  # "pleasant surprise"
            }
        ),
        "savee": MappingProxyType(
            {
                "n": "neutral",
                "h": "happy",
                "sa": "sad",
                "a": "angry",
                "f": "fearful",
                "d": "disgust",
                "su": "surprised",
            }
        ),
        "nemo": MappingProxyType(
            {
                "neutral": "neutral",
                "happiness": "happy",
                "sadness": "sad",
                "anger": "angry",
                "fear": "fearful",
                "surprised": "surprised",
            }
        ),
        "emodb": MappingProxyType(
            {
                "N": "neutral",  # neutral
                "F": "happy",  # Freude
                "T": "sad",  # Trauer
                "W": "angry",  # Wut, hot anger
                "A": "fearful",  # Angst
                "E": "disgust",  # Ekel
                "L": "bored",  # Langeweile
            }
        ),
        "emospeech": MappingProxyType(
            {
                "calm": "calm",
                "happy": "happy",
                "angry": "angry",
                "fearful": "fearful",
            }
        ),
    }
)
"""corpus -> that corpus's own code for an emotion -> the name in `EMOTIONS`."""

OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "happiness": "happy",
        "joy": "happy",
        "sadness": "sad",
        "anger": "angry",
        "fear": "fearful",
        "disgusted": "disgust",
        "surprise": "surprised",
        "boredom": "bored",
    }
)
"""What people's own tables call an emotion -> the name in `EMOTIONS`."""


def _own(corpus: str) -> tuple[str, ...]:
    return tuple(each for each in EMOTIONS if each in CORPUS_EMOTIONS[corpus].values())


LABEL_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ravdess8": _own("ravdess"),
        "common6": ("neutral", "happy", "sad", "angry", "fearful", "disgust"),
        "common4": ("neutral", "happy", "sad", "angry"),
        **{corpus: _own(corpus) for corpus in CORPUS_EMOTIONS},
    }
)
"""Named, ordered label sets, those of each corpus among them; the order is that of a model's
outputs."""
