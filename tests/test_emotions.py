"""The vocabulary of emotions, and how each is shown."""

import re

from sottovoce.emotions import EMOTION_COLOURS, EMOTIONS, OTHER_NAMES, colour, hatchings, letters
from sottovoce.serve import web_page


def test_every_emotion_has_a_colour_and_no_other_name_leads_outside_the_vocabulary() -> None:
    assert tuple(EMOTION_COLOURS) == EMOTIONS
    assert set(OTHER_NAMES.values()) <= set(EMOTIONS)
    assert not set(OTHER_NAMES) & set(EMOTIONS)


def test_letters_tell_labels_apart() -> None:
    labels = ["sad", "surprised", "scared", "s", "smug", "über", "S"]
    chosen = letters(labels)
    assert list(chosen) == labels
    assert len(set(chosen.values())) == len(labels)
    assert all(re.fullmatch("[A-Z0-9]", letter) for letter in chosen.values())


def test_people_who_see_fewer_colours_tell_emotions_apart_by_hatchings() -> None:
    chosen = hatchings(EMOTIONS)
    assert len(set(chosen.values())) == len(EMOTIONS)
    style = (web_page.FOLDER / "style.css").read_text(encoding="utf-8")
    for number in set(chosen.values()) - {0}:
        assert f'.block[data-hatching="{number}"] {{ background-image' in style


def test_colours_of_any_labels_are_colours() -> None:
    labels = [f"label {n}" for n in range(9)] + ["angry"]
    for label in labels:
        assert re.fullmatch("#[0-9a-f]{6}", colour(label, labels))
