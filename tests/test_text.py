"""Texts of files neither steer a terminal nor count as formulas, and come back as they were."""

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sottovoce.errors import SottovoceError
from sottovoce.results import Prediction, Status
from sottovoce.text import csv_cell, from_csv_cell, printable

FORMULAS = [
    "=1+1",
    "+1-2",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "\r=1",
    "'=1",
    "''-a",
    "-.wav",
    "=HYPERLINK(1)",
]
STEERING = "\x1b[2J\x9b31m\x07\u202e\x08"


@given(st.text() | st.from_regex(r"\A'*[=+\-@\t\r].*\Z"))
def test_a_cell_gives_its_text_back(text: str) -> None:
    assert from_csv_cell(csv_cell(text)) == text


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_is_no_formula(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+3", "1e-9", "-1e5", "a=b", "'tis", "", "voice.wav"])
def test_numbers_and_plain_words_stay_as_they_are(text: str) -> None:
    assert csv_cell(text) == text


@pytest.mark.parametrize("number", [-0.5, -3, None, True])
def test_what_is_no_text_stays(number: object) -> None:
    assert csv_cell(number) is number


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_printed_has_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert printable(shown) == shown


def test_errors_spell_control_characters_out() -> None:
    assert str(SottovoceError(f"label {STEERING}x")) == ("label \\x1b[2J\\x9b31m\\x07\\u202e\\x08x")


def test_json_has_control_characters_escaped_and_means_the_same() -> None:
    answer = Prediction(status=Status.ERROR, model="m", source=f"{STEERING}.wav", message="m")
    assert printable(answer.to_json()) == answer.to_json()
    assert Prediction.from_dict(json.loads(answer.to_json())) == answer


def test_rows_survive_a_csv_reader() -> None:
    text = io.StringIO()
    csv.writer(text).writerow(map(csv_cell, FORMULAS))
    (row,) = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert list(map(from_csv_cell, row)) == FORMULAS
