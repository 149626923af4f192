"""Every job of the page by keyboard alone: nothing moves a mouse, and the focus always shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import VOICE, long_recording, pages
from keyboard import press, tab_to
from serving import run_service

expect = pytest.importorskip("playwright.sync_api", reason="Playwright drives Chromium").expect

OTHER = Path(__file__).parents[2] / "models" / "ravdess8-tcn.onnx"
LIVELY = VOICE.with_name("lively-voice.wav")


def named(page: Any, name: str) -> Any:
    """A button by its whole name."""
    return page.get_by_role("button", name=name, exact=True)


def opened(page: Any, *files: Path) -> None:
    """Choose files from the first page."""
    with page.expect_file_chooser() as chooser:
        press(page, named(page, "Open recordings"))
    chooser.value.set_files(files)


def home(page: Any) -> None:
    press(page, page.get_by_role("link", name="Sottovoce"), back=True)
    page.locator(".hero").wait_for()


def test_a_recording_is_opened_heard_played_renamed_exported_and_forgotten(
    visit, tmp_path: Path
) -> None:
    page = visit()
    opened(page, long_recording(tmp_path))
    page.locator(".stretches li").nth(1).wait_for()
    page.keyboard.press("ArrowDown")
    page.locator(".stretches li[aria-current]").wait_for()
    page.keyboard.press(" ")
    expect(page.locator("[data-control=play]")).to_have_text("Pause")
    page.keyboard.press(" ")
    page.keyboard.press("?")
    page.get_by_role("heading", name="Keys").wait_for()
    page.keyboard.press("Escape")

    name = page.locator("input.name")
    tab_to(page, name)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Anna.wav")
    press(page, named(page, "Export"))
    with page.expect_download() as export:
        press(page, named(page, "JSON"))
    assert export.value.suggested_filename == "Anna.json"
    assert json.loads(Path(export.value.path()).read_text("utf-8"))["name"] == "Anna.wav"
    press(page, named(page, "Share report"))
    with page.expect_download() as report:
        press(page, named(page, "Without the sound"))
    assert report.value.suggested_filename == "Anna.html"

    home(page)
    press(page, named(page, "Forget Anna.wav"))
    page.get_by_text("Nothing here yet").wait_for()


def test_a_stretch_is_looked_into_and_corrected_and_the_threshold_moved(
    visit, tmp_path: Path
) -> None:
    page = visit()
    opened(page, long_recording(tmp_path))
    page.locator(".stretches li").nth(1).wait_for()
    first = page.locator(".stretches li").first
    press(page, first.get_by_role("button", name="Why"))
    page.locator(".why-panel canvas").wait_for()
    press(page, page.locator(".why-panel").get_by_role("button", name="Close"), back=True)
    expect(first.get_by_role("button", name="Why")).to_be_focused()
    press(page, first.get_by_role("button", name="Correct"))
    press(page, page.get_by_role("dialog").get_by_role("button", name="disgust"))
    expect(first.locator(".what")).to_contain_text("disgust")
    expect(first.get_by_role("button", name="Correct")).to_be_focused()
    tab_to(page, page.locator("#least"), back=True)
    page.keyboard.press("End")
    expect(page.locator(".controls output")).to_have_text("100 %")
    assert page.locator(".block.uncertain").count() > 0
    chip = page.locator(".chip").first
    press(page, chip, back=True)
    expect(chip).to_be_focused()


def test_few_stops_lie_between_the_verdict_and_the_download(visit, tmp_path: Path) -> None:
    page = visit()
    opened(page, long_recording(tmp_path))
    page.locator(".stretches li").first.wait_for()
    tab_to(page, page.locator(".chip").first)
    assert tab_to(page, named(page, "Export"), back=True) <= 2
    tab_to(page, page.locator(".chip").last)
    assert tab_to(page, page.locator(".stretches button").first) <= 8


def test_live_starts_pauses_goes_on_and_stops_into_the_studio(visit) -> None:
    page = visit()
    press(page, page.get_by_role("link", name="Live", exact=True))
    press(page, named(page, "Start listening"))
    page.locator(".live-lane .block").first.wait_for()
    press(page, named(page, "Pause"))
    page.get_by_text("Paused").wait_for()
    expect(named(page, "Go on")).to_be_focused()
    page.keyboard.press(" ")
    expect(named(page, "Pause")).to_be_focused()
    press(page, named(page, "Stop and open"), back=True)
    page.locator(".verdict .answer, .verdict .chips").first.wait_for()
    expect(page.locator(".studio-head .name")).to_have_value(re.compile("^Live 20"))


def test_models_are_compared_and_one_is_taken_into_use(visit) -> None:
    page = visit()
    opened(page, VOICE)
    page.locator(".answer .emotion").wait_for()
    press(page, page.get_by_role("link", name="Compare"), back=True)
    page.get_by_role("heading", name="Where they disagree").wait_for()
    lane = page.get_by_role("group", name="ravdess8-tcn", exact=True)
    tab_to(page, lane.get_by_role("button").first)
    page.keyboard.press("End")
    expect(lane.get_by_role("button").last).to_be_focused()
    press(page, named(page, "Play"))
    expect(named(page, "Pause")).to_be_focused()
    use = named(page, "Use this one: ravdess8-tcn")
    press(page, use, back=True)
    expect(use).to_be_focused()
    press(page, page.get_by_role("link", name="Models"), back=True)
    used = page.locator(".model-list li").filter(has_text="In use")
    expect(used.get_by_role("link")).to_have_text("ravdess8-tcn")


@pytest.fixture
def visit_three(_chromium: Any, built: None, tiny: Path) -> Iterator[Any]:
    """The page of a service of three models."""
    with run_service(None, OTHER, tiny) as service, pages(_chromium, service.url) as go:
        yield go


def test_models_are_ticked_and_unticked(visit_three) -> None:
    page = visit_three()
    opened(page, VOICE)
    page.locator(".answer .emotion").wait_for()
    press(page, page.get_by_role("link", name="Compare"), back=True)
    names = ("ravdess8-tcn", "sottovoce-small", "tiny")
    ravdess, small, third = (page.get_by_role("checkbox", name=name) for name in names)
    expect(ravdess).to_be_disabled()  # two are compared at least
    press(page, third, " ")
    expect(page.get_by_role("group", name="tiny", exact=True)).to_be_visible()
    expect(third).to_be_focused()
    press(page, ravdess, " ", back=True)
    expect(page.get_by_role("group", name="ravdess8-tcn", exact=True)).to_have_count(0)
    expect(ravdess).to_be_focused()
    expect(small).to_be_disabled()
    expect(third).to_be_checked()
    expect(third).to_be_disabled()


def test_a_card_is_opened_and_its_model_used(visit) -> None:
    page = visit("#/models")
    press(page, page.get_by_role("link", name="ravdess8-tcn"))
    page.get_by_role("heading", name="ravdess8-tcn 1").wait_for()
    press(page, page.get_by_role("button", name="Use this one: ravdess8-tcn"))
    named(page, "Use this one: sottovoce-small").wait_for()
    expect(page.locator("main")).to_be_focused()
    assert tab_to(page, named(page, "Use this one: sottovoce-small")) <= 4


def test_a_profile_is_made_kept_and_taken_off(visit) -> None:
    page = visit()
    opened(page, VOICE)
    page.locator(".verdict .answer").wait_for()
    home(page)
    opened(page, LIVELY)
    page.locator(".verdict .answer").wait_for()
    press(page, named(page, "Tune in"), back=True)
    press(page, page.get_by_role("dialog").get_by_label("calm-voice.wav"), " ")
    press(page, page.get_by_role("radio", name="In whatever moods."), "ArrowDown")
    expect(page.get_by_role("radio", name="In a normal voice.")).to_be_checked()
    press(page, named(page, "Listen to them"))
    rows = page.locator(".tuning tbody tr")
    expect(rows).to_have_count(2)
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Anna")
    press(page, named(page, "Keep and use"))
    tune = named(page, "Tune in: Anna")
    page.locator(".verdict .answer").wait_for()
    expect(tune).to_be_focused()
    page.keyboard.press("Enter")
    press(page, named(page, "Take off"))
    page.locator(".verdict .answer").wait_for()
    expect(named(page, "Tune in")).to_be_focused()


def test_a_table_is_filtered_sorted_exported_and_a_row_of_it_opened(visit) -> None:
    page = visit()
    opened(page, VOICE, LIVELY)
    page.get_by_text("2 of 2 judged").wait_for()
    tab_to(page, page.get_by_label("Find by name"))
    page.keyboard.type("lively")
    expect(page.locator(".batch-table tbody tr")).to_have_count(1)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    press(page, named(page, "Length"))
    expect(page.locator("th.duration").first).to_have_attribute("aria-sort", "ascending")
    tab_to(page, page.locator(".batch-table tbody a").first)
    page.keyboard.press("ArrowDown")
    with page.expect_download():
        press(page, named(page, "CSV"))
    second = page.locator(".batch-table tbody a").nth(1)
    name = second.inner_text()
    press(page, second, back=True)
    expect(page.locator(".studio-head .name")).to_have_value(name)


def test_a_report_is_played_row_by_row(visit, tmp_path: Path) -> None:
    page = visit()
    opened(page, long_recording(tmp_path))
    page.locator(".stretches li").first.wait_for()
    press(page, named(page, "Share report"))
    with page.expect_download() as report:
        press(page, page.get_by_role("button", name="With the sound"))
    report.value.save_as(tmp_path / "report.html")
    page.goto((tmp_path / "report.html").as_uri())
    row = page.locator("tbody tr").nth(1)
    press(page, row.get_by_role("button"))
    page.wait_for_function(
        "(start) => document.querySelector('audio').currentTime > start",
        arg=float(row.get_attribute("data-start")),
    )
