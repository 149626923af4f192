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
)
"""Every emotion Undertone knows, in RAVDESS's order."""

LABEL_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ravdess8": EMOTIONS,
    }
)
"""Named, ordered label sets; the order is the order of a model's outputs."""

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
    }
)
"""corpus -> that corpus's own code for an emotion -> the name in `EMOTIONS`."""
