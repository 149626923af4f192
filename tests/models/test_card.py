"""A card says everything or is refused, and the refusal names the key."""

import json

import pytest
from tiny_model import tiny_card

from sottovoce.errors import ModelError
from sottovoce.inference.profile import Profile
from sottovoce.models.card import Card, speaker_hash


def document() -> dict[str, object]:
    return json.loads(tiny_card().to_json())


def refusal(content: object) -> str:
    with pytest.raises(ModelError) as refused:
        Card.from_json(content if isinstance(content, str) else json.dumps(content))
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_a_card_survives_the_round_trip_through_json():
    assert Card.from_json(tiny_card().to_json()) == tiny_card()


@pytest.mark.parametrize(
    "key", sorted(name for name, field in Card.model_fields.items() if field.is_required())
)
def test_every_key_is_needed_and_named_when_missing(key):
    content = document()
    del content[key]
    assert f"{key}: missing key" in refusal(content)


@pytest.mark.parametrize(
    ("part", "key"),
    [("window", "grid"), ("calibration", "temperature"), ("protocol", "optimistic")],
)
def test_keys_inside_parts_are_needed_too(part, key):
    content = document()
    del content[part][key]
    assert f"{part}.{key}: missing key" in refusal(content)


def test_an_unknown_key_is_named():
    assert "'treshold': unknown key" in refusal(document() | {"treshold": 0.5})


def test_an_unknown_key_inside_a_part_is_named():
    content = document()
    content["figures"][0]["p_value"] = 0.01
    assert "'figures.0.p_value': unknown key" in refusal(content)


@pytest.mark.parametrize("version", [0, 1, "2", None])
def test_another_schema_version_is_refused_before_anything_else(version):
    message = refusal({"schema_version": version, "name": "X"})
    assert f"schema_version: found {version!r}, this Sottovoce reads 2" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "Has Spaces"),
        ("labels", ["angry"]),
        ("labels", ["angry", "angry"]),
        ("labels", ["angry", ""]),
        ("sample_rate", "16000"),
        ("sample_rate", 16000.5),
        ("sample_rate", -1),
        ("min_confidence", 1.5),
        ("created", "yesterday"),
        ("limits", "one sentence"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_what_was_found(key, value):
    message = refusal(document() | {key: value})
    assert message.startswith(f"model card: {key}: ")
    assert "found" in message


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("window", {"min": 8.0}),
        ("window", {"grid": 0.0}),
        ("calibration", {"temperature": 0.0}),
        ("calibration", {"temperature": 2.0}),
    ],
)
def test_parts_that_contradict_themselves_are_refused(part, changes):
    content = document()
    content[part] |= changes
    assert f"model card: {part}" in refusal(content)


def test_a_figure_lies_within_its_interval():
    content = document()
    content["figures"][0]["low"] = 0.9
    assert "figures.0" in refusal(content)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema_version": 2,}', "\x00"])
def test_what_is_no_card_at_all_is_refused(text):
    assert refusal(text).startswith("model card: ")


def test_nan_is_no_number():
    text = tiny_card().to_json().replace('"min_confidence":0.0', '"min_confidence":NaN')
    assert "NaN" in text
    refusal(text)


def test_a_speaker_of_a_table_is_the_same_whether_the_table_is_given_alone_or_with_others():
    assert speaker_hash("table/anna") == speaker_hash("table/calls/anna")
    assert len({speaker_hash(f"{corpus}/1") for corpus in ("table", "ravdess", "savee")}) == 3


def test_every_number_has_bounds():
    """Whatever is made of a number of a stranger's card is of a size that is known."""

    def numbers(part, where):
        if part.get("type") in ("number", "integer"):
            yield where, part
        for key in ("properties", "$defs"):
            for name, below in part.get(key, {}).items():
                yield from numbers(below, f"{where}.{name}")
        for key in ("items", "anyOf", "prefixItems"):
            below = part.get(key, [])
            for one in [below] if isinstance(below, dict) else below:
                yield from numbers(one, where)

    found = [found for kind in (Card, Profile) for found in numbers(kind.model_json_schema(), "")]
    assert len(found) > 25
    for where, number in found:
        if "const" not in number:
            assert {"minimum", "exclusiveMinimum"} & set(number), where
            assert {"maximum", "exclusiveMaximum"} & set(number), where


@pytest.mark.parametrize(
    ("part", "changes", "bound"),
    [
        ("window", {"max": 1e9}, "600"),
        ("window", {"min": 61.0, "max": 100.0}, "60"),
        ("window", {"margin": 1e308}, "60"),
        ("calibration", {"method": "temperature", "temperature": 1e-300}, "0.001"),
        ("protocol", {"folds": 10**18}, "1000000000"),
    ],
)
def test_a_number_beyond_its_bounds_is_one_line_with_both(part, changes, bound):
    content = document()
    content[part] |= changes
    message = refusal(content)
    key, value = list(changes.items())[-1] if part != "window" else next(iter(changes.items()))
    assert f"model card: {part}.{key}: " in message
    assert bound in message
    assert f"found {value!r}" in message


@pytest.mark.parametrize("steering", ["\x1b[2J", "\x9b2J", "\r", "\x07", "\u202e", "\x00", "\x08"])
def test_a_text_holds_nothing_that_a_terminal_obeys(steering):
    for key in ("description", "licence", "language", "version", "recipe"):
        message = refusal(document() | {key: f"a{steering}b"})
        assert f"{key}: holds control characters" in message
        assert steering not in message
    assert "limits: holds control" in refusal(document() | {"limits": ["a", steering]})
    content = document()
    content["corpora"][0]["name"] = f"a{steering}"
    assert "corpora.0.name: holds control" in refusal(content)
