"""The emotion vocabulary, and the colour and the letter that stand for each emotion."""

import string
from collections.abc import Iterable, Mapping, Sequence
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

LONGEST_LABEL = 64
"""Characters of a label."""


def canonical(label: str) -> str:
    """A label in small letters, an emotion by its name in `EMOTIONS`.

    >>> canonical("Anger"), canonical("Stress: high")
    ('angry', 'stress: high')
    """
    return OTHER_NAMES.get(label.lower(), label.lower())


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels in the order of `EMOTIONS`, others after them by name."""
    rank = {emotion: number for number, emotion in enumerate(EMOTIONS)}
    return tuple(sorted(labels, key=lambda label: (rank.get(label, len(rank)), label)))


def label_fault(label: str) -> str:
    """What is wrong with a label as text that people read, as the end of a sentence; or empty.

    Any words will do on one printable line of up to `LONGEST_LABEL` characters.
    """
    if not label.strip() or label != label.strip():
        return "is empty, or begins or ends with a blank"
    if not label.isprintable():
        return "holds characters that cannot be printed; labels are words on one line"
    if len(label) > LONGEST_LABEL:
        return f"has {len(label)} characters; expected {LONGEST_LABEL} at most"
    return ""


EMOTION_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "neutral": "#9aa0a6",
        "calm": "#6cc5b0",
        "happy": "#efb118",
        "sad": "#4269d0",
        "angry": "#e0432f",
        "fearful": "#8e5bd0",
        "disgust": "#5f9e3a",
        "surprised": "#ff8ab7",
        "bored": "#a2785c",
    }
)
"""They differ in lightness too, for people who see fewer colours."""

OTHER_COLOURS = ("#38b6d8", "#c9d13f", "#d07ad6", "#3fae73", "#d98b5f", "#8c9be0")
"""Of labels outside the vocabulary, in their order, and again from the first."""


def colour(label: str, labels: Sequence[str]) -> str:
    """The colour of one of `labels`, "#rrggbb"; always the same for a known emotion."""
    if label in EMOTION_COLOURS:
        return EMOTION_COLOURS[label]
    others = [other for other in labels if other not in EMOTION_COLOURS]
    return OTHER_COLOURS[others.index(label) % len(OTHER_COLOURS)]


def hatchings(labels: Sequence[str]) -> dict[str, int]:
    """The number of the hatching that stands for each label; always the same for a known emotion.

    There are as many hatchings as known emotions; other labels take them in turn.

    >>> hatchings(["calm", "tense", "sad"])
    {'calm': 1, 'tense': 0, 'sad': 3}
    """
    others = [label for label in labels if label not in EMOTIONS]
    return {
        label: EMOTIONS.index(label) if label in EMOTIONS else others.index(label) % len(EMOTIONS)
        for label in labels
    }


def letters(labels: Sequence[str]) -> dict[str, str]:
    """One capital letter or digit for each label: the first of its own that is still free.

    >>> letters(["sad", "surprised", "angry"])
    {'sad': 'S', 'surprised': 'U', 'angry': 'A'}
    """
    chosen: dict[str, str] = {}
    for label in labels:
        own = (c for c in label.upper() if c.isascii() and c.isalnum())
        candidates = [*own, *string.ascii_uppercase, *string.digits]
        chosen[label] = next((c for c in candidates if c not in chosen.values()), "*")
    return chosen
