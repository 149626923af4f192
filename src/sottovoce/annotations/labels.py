"""From a label as it was written to the word that it stands for."""

from __future__ import annotations

import re

from sottovoce.emotions import EMOTIONS, OTHER_NAMES, canonical, label_fault
from sottovoce.options import LabelSpec
from sottovoce.text import one_line

SEVERAL = re.compile(r"[;,|/+&]")
"""Between the labels of a clip that has several."""
KNOWN = frozenset((*EMOTIONS, *OTHER_NAMES))


def word_of(label: str, spec: LabelSpec) -> str:
    """The word that a label stands for: mapped, an emotion by its usual name, or its own.

    Raises:
        ValueError: it is a number without a word, several emotions at once, or no text for people;
            with a message for them.
    """
    text = " ".join(label.split())
    number = text.removesuffix(".0") if re.fullmatch(r"\d+(\.0)?", text) else None
    words = {key.casefold(): value for key, value in spec.map.items()}
    for key in (text, number):
        if key is not None and key.casefold() in words:
            return _checked(words[key.casefold()])
    shown = one_line(repr(text if len(text) <= 64 else text[:61] + "..."))
    if number is not None:
        if int(number) >= len(spec.numbers):
            raise ValueError(_no_word(number, spec))
        return _checked(spec.numbers[int(number)])
    if text.startswith(("{", "[")):
        raise ValueError(f"label {shown} is a list; export from Label Studio as JSON instead")
    try:
        float(text)
    except ValueError:
        pass
    else:
        raise ValueError(
            f"label {shown} is a number, and a label is a word; dimensions such as valence are not "
            "read: name a column of emotions"
        )
    parts = [part.strip().lower() for part in SEVERAL.split(text)]
    if len(parts) > 1 and all(part in KNOWN for part in parts):
        raise ValueError(
            f"label {shown} is several emotions, and a clip has one; keep one, or say which with "
            f"--map {shown[:-1]}={parts[0]}' or in table.map of the recipe"
        )
    return _checked(text)


def _checked(text: str) -> str:
    name = canonical(text)
    if fault := label_fault(name):
        raise ValueError(f"label {one_line(repr(name[:64]))} {fault}")
    return name


def _no_word(number: str, spec: LabelSpec) -> str:
    if not spec.numbers:
        return (
            f"label {number} is a number with no emotion; list the emotions of 0, 1, 2 ... as "
            f"table.numbers in the recipe or with --numbers, or give each with --map {number}=happy"
        )
    last = len(spec.numbers) - 1
    return (
        f"label {number} is a number with no emotion: table.numbers or --numbers has those of 0 to "
        f"{last}; where they count from 1, give --map 1={spec.numbers[0]} and so on instead"
    )
