"""The report that the page shares: the same file as the command's, for the same recording."""

import json
import re

import pytest
from browser import upload
from tiny_model import VOICE

import sottovoce
from sottovoce.export import ExportSubject
from sottovoce.export.report import report_data, report_html
from sottovoce.models.registry import find
from sottovoce.models.tested import read

DATA = re.compile(r'(?<=<script type="application/json" id="data">).*?(?=</script>)')


@pytest.fixture
def share(visit, tmp_path):
    """Open a recording in the page and share its report; gives the text of the file."""

    def call(path, button, before=lambda page: None):
        page = visit()
        upload(page, path)
        page.locator(".stretches li").first.wait_for()
        before(page)
        page.get_by_role("button", name="Share report").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        assert download.value.suggested_filename == f"{path.stem}.html"
        download.value.save_as(tmp_path / "shared.html")
        return (tmp_path / "shared.html").read_text(encoding="utf-8")

    return call


def assert_alike(found, expected, where="data"):
    """The same, but for the last digits of numbers."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), where
        for name, value in expected.items():
            assert_alike(found[name], value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, value in enumerate(expected):
            assert_alike(found[number], value, f"{where}.{number}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-4), where
    else:
        assert found == expected, where


def test_the_page_and_the_command_make_the_same_file(share):
    text = share(VOICE, "With the sound")
    (data,) = map(json.loads, DATA.findall(text))
    assert DATA.sub("", report_html(data)) == DATA.sub("", text)
    assert json.loads(DATA.findall(report_html(data))[0]) == data
    model = sottovoce.load()
    about = ExportSubject(str(VOICE), model, str(VOICE), None, read(find(), model.card))
    segments = list(model.timeline(VOICE, lookahead=3.0))
    expected = json.loads(json.dumps(report_data(about, segments, audio=True)))
    drawn, shape = data.pop("peaks"), expected.pop("peaks")
    assert_alike(data, expected)
    assert len(drawn) == len(shape)
    assert abs(max(drawn[0]) - max(shape[0])) <= 10  # the browser resamples in its own way


def test_without_the_sound_it_is_not_in_the_file_and_corrections_are_told(share):
    def correct(page):
        page.get_by_role("button", name="Correct", exact=True).first.click()
        page.get_by_role("dialog").get_by_role("button", name="disgust").click()
        page.get_by_text("Corrected to disgust.").wait_for()

    (data,) = map(json.loads, DATA.findall(share(VOICE, "Without the sound", correct)))
    assert data["audio"] is None
    assert data["segments"][0]["emotion"] == "disgust"
    assert data["segments"][0]["corrected"] is True
