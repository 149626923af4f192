"""Colours and letters of emotions."""

import re

from sottovoce.colours import colour, letters


def test_letters_tell_labels_apart():
    labels = ["sad", "surprised", "scared", "s", "smug", "über", "S"]
    chosen = letters(labels)
    assert list(chosen) == labels
    assert len(set(chosen.values())) == len(labels)
    assert all(re.fullmatch("[A-Z0-9]", letter) for letter in chosen.values())


def test_colours_of_any_labels_are_colours():
    labels = [f"label {n}" for n in range(9)] + ["angry"]
    for label in labels:
        assert re.fullmatch("#[0-9a-f]{6}", colour(label, labels))
