"""The pages Models and Compare: every figure as the card has it, and models beside each other."""

from itertools import groupby
from pathlib import Path

import pytest
from browser import upload
from tiny_model import VOICE

import sottovoce
from sottovoce.models.registry import find
from sottovoce.models.tested import read

OTHER = Path(__file__).parents[2] / "models" / "ravdess8-tcn.onnx"


@pytest.fixture
def page(visit):
    return visit()


def hear(page, path=VOICE):
    """Open a recording, and wait until it was heard."""
    page.goto(f"{page.url.partition('#')[0]}#/")
    page.locator(".hero").wait_for()
    upload(page, path)
    page.locator(".stretches li").first.wait_for()


def test_every_figure_stands_with_its_interval_and_its_picture(page, studio):
    page.goto(f"{studio.url}/#/models")
    page.locator(".confusion").wait_for()
    card = sottovoce.load().card
    rows = page.locator("tr:has(.dot-plot)")
    metrics = list(dict.fromkeys(one.metric for one in card.figures))
    figures = sorted(card.figures, key=lambda one: metrics.index(one.metric))
    assert rows.count() == len(figures)
    for row, one in zip(rows.all(), figures, strict=True):
        shown = [f"{100 * value:.1f} %" for value in (one.value, one.low, one.high)]
        assert row.locator("th").inner_text() == one.note
        assert row.locator("td").nth(0).inner_text() == shown[0]
        assert row.locator("td").nth(1).inner_text() == f"{shown[1]} to {shown[2]}"
        middle = float(row.locator("circle").get_attribute("cx")) / 200
        assert middle == pytest.approx(one.value)
    words = page.locator("article").inner_text()
    for text in (*card.limits, card.licence, card.protocol.note, *(c.name for c in card.corpora)):
        assert text in words
    assert "Of 100 strangers' clips 68 were given the right emotion (64 to 72)." in words


def test_the_confusion_has_a_row_for_what_was_meant_and_adds_up(page, studio):
    page.goto(f"{studio.url}/#/models")
    card = sottovoce.load().card
    tested = read(find(), card)
    rows = page.locator(".confusion tbody tr")
    rows.first.wait_for()
    assert rows.locator("th").all_inner_texts() == list(card.labels)
    for row, counts in zip(rows.all(), tested.confusion, strict=True):
        shown = list(map(int, row.locator("td").all_inner_texts()))
        assert shown[:-1] == [pytest.approx(100 * one / sum(counts), abs=0.51) for one in counts]


def test_use_this_one_holds_when_the_page_is_opened_again(page, studio):
    page.goto(f"{studio.url}/#/models")
    page.get_by_role("button", name="Use this one: ravdess8-tcn").click()
    page.get_by_role("button", name="Use this one: sottovoce-small").wait_for()
    page.reload()
    page.get_by_role("button", name="Use this one: sottovoce-small").wait_for()
    assert page.get_by_role("button", name="Use this one: ravdess8-tcn").count() == 0
    hear(page)
    assert page.locator(".studio-head select").input_value() == "ravdess8-tcn"


def test_models_are_lanes_under_one_waveform_and_say_what_each_says_alone(page, studio):
    hear(page)
    address = page.url.split("#/r/")[1]
    page.goto(f"{studio.url}/#/compare/{address}")
    page.get_by_role("heading", name="Where they disagree").wait_for()
    assert page.locator(".wave").count() == 1
    for model in (sottovoce.load(), sottovoce.load(OTHER)):
        lane = page.get_by_role("group", name=model.card.name, exact=True)
        said = [one.words for one in model.timeline(VOICE, lookahead=3.0)]
        stretches = [f": {words}" for words, _ in groupby(said)]
        names = [one.get_attribute("aria-label") for one in lane.get_by_role("button").all()]
        assert all(map(str.endswith, names, stretches))
        assert len(names) == len(stretches)
        verdict = page.locator(".verdicts > div").filter(has_text=model.card.name)
        assert f"{model.predict(VOICE).words}" in verdict.locator(".chips").inner_text()


def test_the_recording_that_was_chosen_is_kept_while_other_pages_are_looked_at(page, studio):
    hear(page)
    address = page.url.split("#/r/")[1]
    hear(page, VOICE.with_name("calm-voice.wav"))
    page.goto(f"{studio.url}/#/compare/{address}")
    page.get_by_role("heading", name="Where they disagree").wait_for()
    for name in ("Models", "Compare"):
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", name=name, exact=True).wait_for()
    assert page.get_by_role("combobox", name="Recording").input_value() == address


def test_where_models_disagree_is_told_with_the_words_of_both(page, studio):
    hear(page)
    page.goto(f"{studio.url}/#/compare")
    page.get_by_role("heading", name="Where they disagree").wait_for()
    first, second = (
        list(model.timeline(VOICE, lookahead=3.0))
        for model in (sottovoce.load(), sottovoce.load(OTHER))
    )
    differing = [
        (a, b)
        for a, b in zip(first, second, strict=True)
        if a.emotion and b.emotion and a.emotion != b.emotion
    ]
    shown = " ".join(page.locator(".differences li").all_inner_texts())
    assert bool(differing) == bool(shown)
    for a, b in differing:
        assert f"sottovoce-small: {a.words}; ravdess8-tcn: {b.words}" in shown
