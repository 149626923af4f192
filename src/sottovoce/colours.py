"""One colour and one letter for every emotion, wherever it is shown."""

from collections.abc import Sequence

COLOURS = {
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
"""Of the known emotions; they differ in lightness too, for those who see fewer colours."""
OTHER_COLOURS = ("#38b6d8", "#c9d13f", "#d07ad6", "#3fae73", "#d98b5f", "#8c9be0")
"""Of labels that are none of these, in their order, and again from the first."""


def colour(label: str, labels: Sequence[str]) -> str:
    """The colour of a label, always the same for a known emotion."""
    if label in COLOURS:
        return COLOURS[label]
    others = [one for one in labels if one not in COLOURS]
    return OTHER_COLOURS[others.index(label) % len(OTHER_COLOURS)]


def letters(labels: Sequence[str]) -> dict[str, str]:
    """One capital letter for each label, its first that no label before it has.

    >>> letters(["sad", "surprised", "angry"])
    {'sad': 'S', 'surprised': 'U', 'angry': 'A'}
    """
    chosen: dict[str, str] = {}
    for label in labels:
        spare = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        wished = [c for c in label.upper() if c.isascii() and c.isalnum()] + list(spare)
        chosen[label] = next((c for c in wished if c not in chosen.values()), "*")
    return chosen
