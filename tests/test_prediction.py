"""A prediction as plain values and as JSON, whatever the path."""

import json
import os

import pytest

from sottovoce.inference.predictor import source_path
from sottovoce.results import Prediction, Status

HEARD = Prediction(
    status=Status.OK,
    model="tiny 1.0",
    source="a.wav",
    duration=2.5,
    emotion="sad",
    confidence=0.7,
    probabilities={"happy": 0.1, "sad": 0.7, "angry": 0.2},
)
KEYS = [
    *("path", "channel", "status", "emotion", "confidence", "probabilities"),
    *("duration", "model", "message", "warnings"),
]


def test_the_keys_are_always_all_there_in_one_order():
    assert list(HEARD.to_dict()) == KEYS
    assert list(Prediction(status=Status.ERROR, model="tiny 1.0").to_dict()) == KEYS


def test_json_says_the_same_as_the_dictionary():
    assert json.loads(HEARD.to_json()) == HEARD.to_dict()


def test_json_keeps_the_order_of_the_labels():
    assert list(json.loads(HEARD.to_json())["probabilities"]) == ["happy", "sad", "angry"]


def test_plain_values_are_plain():
    assert type(HEARD.to_dict()["status"]) is str
    assert type(HEARD.to_dict()["probabilities"]) is dict


@pytest.mark.parametrize("status", list(Status))
def test_without_an_emotion_there_are_no_numbers(status):
    content = json.loads(Prediction(status=status, model="tiny 1.0", message="why").to_json())
    assert content["status"] == status.value
    assert content["emotion"] is content["confidence"] is content["duration"] is None
    assert content["probabilities"] == {}


def test_the_runner_up_is_the_second_likeliest():
    assert HEARD.runner_up == "angry"
    assert Prediction(status=Status.SILENCE, model="tiny 1.0").runner_up is None


@pytest.mark.parametrize("name", [b"caf\xe9.wav", b"\xff\xfe", b"\xed\xa0\x80"])
def test_a_path_that_is_no_utf_8_still_gives_valid_json(name):
    path = os.fsdecode(name)
    text = Prediction(status=Status.ERROR, model="tiny 1.0", source=source_path(path)).to_json()
    assert json.loads(text.encode("utf-8"))["path"].isascii()
    assert "\\udc" in json.loads(text)["path"]


@pytest.mark.parametrize("name", ["two\nlines.wav", 'a "b" c.wav', "naïve 音.wav", "tab\t.wav"])
def test_every_other_path_comes_back_as_it_was(name):
    text = Prediction(status=Status.ERROR, model="tiny 1.0", source=source_path(name)).to_json()
    assert "\n" not in text
    assert json.loads(text)["path"] == name
