"""A report: one file that says what the timeline says, offline, and that no name can break."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from tiny_model import RATE, VOICE, write_tiny_profiled

import sottovoce
from sottovoce import Audio
from sottovoce.export import ExportSubject, report
from sottovoce.inference.segments import merge_segments
from sottovoce.models.registry import find
from sottovoce.models.tested import read

EVIL = '</script><script>document.title="broken out"</script><!-- <b> & "x".wav'
LONG = 20.0
"""s; so there is more than one stretch."""


class Scripts(HTMLParser):
    """The contents of all script elements."""

    def __init__(self, text):
        super().__init__(convert_charrefs=False)
        self.found, self._inside = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "script":
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "script"

    def handle_data(self, data):
        if self._inside:
            self.found[-1] += data


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A voice that goes louder and softer, and pauses from 10 to 15 s; two channels."""
    voice = Audio.read(VOICE, sample_rate=RATE).samples[0]
    samples = np.tile(voice, 20)[: int(LONG * RATE)]
    gain = np.repeat([0.05, 1.0, 0.0, 0.3], len(samples) // 4)
    path = tmp_path_factory.mktemp("recording") / "call.wav"
    soundfile.write(path, np.stack([samples * gain, samples * gain / 2], axis=1), RATE)
    return path


@pytest.fixture(scope="module")
def segments(model, recording):
    return list(model.timeline(recording))


@pytest.fixture(scope="module")
def about(model, recording):
    return ExportSubject(str(recording), model, str(recording))


def opened(browser, path, *, print_media=False):
    """A page with the report, and what it asked for or complained of."""
    page, trouble = browser.new_page(), []
    page.on("request", lambda one: trouble.append(one.url))
    page.on("console", lambda one: trouble.append(one.text))
    page.on("pageerror", lambda one: trouble.append(str(one)))
    if print_media:
        page.emulate_media(media="print")
    page.goto(path.as_uri())
    page.locator("h1").wait_for()
    return page, [one for one in trouble if one != path.as_uri() and not one.startswith("blob:")]


def test_it_holds_the_segments_of_the_timeline_and_the_shape_of_the_sound(about, segments):
    data = report.report_data(about, segments)
    assert json.loads(json.dumps(data["segments"])) == [one.to_dict() for one in segments]
    assert data["duration"] == pytest.approx(LONG, abs=1e-3)
    (peaks,) = data["peaks"]
    assert len(peaks) == 2 * report.LEAST_PEAKS
    assert max(map(abs, peaks)) == 100
    by_second = np.abs(peaks).reshape(int(LONG), -1).max(axis=1)
    assert by_second[11:14].max() == 0
    assert by_second[5:9].min() > 0


def test_channels_that_are_split_have_a_waveform_each(model, about, recording):
    segments = list(model.timeline(recording, channels="split"))
    assert len(report.report_data(about, segments)["peaks"]) == 2


def test_a_short_recording_has_its_own_answer_for_a_headline_and_a_long_one_has_none(
    model, about, segments
):
    assert report.report_data(about, segments)["prediction"] is None
    short = ExportSubject(str(VOICE), model, str(VOICE))
    found = report.report_data(short, list(model.timeline(VOICE)))["prediction"]
    expected = model.predict(VOICE).to_dict()
    assert found == {name: expected[name] for name in found}
    assert "path" not in found  # where somebody keeps their files is nobody's business


def test_no_name_breaks_out_of_the_data(model, recording, segments):
    data = report.report_data(ExportSubject(str(recording), model, "x"), segments)
    text = report.report_html(data | {"name": EVIL})
    first, second = Scripts(text).found
    assert json.loads(first)["name"] == EVIL
    assert "showReport(" in second


def test_the_modules_are_whole_and_name_no_other_file(about, segments):
    text = report.report_html(report.report_data(about, segments))
    script = Scripts(text).found[1]
    assert not re.findall(r"^(import|export)\b.*", script, flags=re.MULTILINE)
    assert not re.findall(r"\{\{\w+\}\}", text)
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert text.startswith("<!doctype html>")


def test_the_sound_goes_in_as_it_is_or_in_a_format_that_browsers_play(
    about, recording, segments, tmp_path
):
    assert report.report_data(about, segments)["audio"] is None
    inside = report.report_data(about, segments, audio=True)["audio"]
    assert inside["type"] == "audio/wav"
    assert base64.b64decode(inside["content"]) == recording.read_bytes()
    samples = Audio.read(VOICE).samples[0]
    soundfile.write(tmp_path / "old.aiff", samples, RATE, subtype="PCM_16")
    old = str(tmp_path / "old.aiff")
    inside = report.report_data(ExportSubject(old, about.model, old), segments, audio=True)["audio"]
    assert inside["type"] == "audio/flac"
    copy, rate = soundfile.read(io.BytesIO(base64.b64decode(inside["content"])))
    assert rate == RATE
    assert copy == pytest.approx(soundfile.read(old)[0], abs=1e-4)


def test_a_profile_is_named_and_not_given_away(tmp_path):
    model = sottovoce.load(write_tiny_profiled(tmp_path / "tiny-profiled.onnx"))
    profile = model.profile([VOICE])
    profile.save(tmp_path / "anna.profile")
    about = ExportSubject(str(VOICE), model, "a.wav", str(tmp_path / "anna.profile"))
    data = report.report_data(about, list(model.timeline(VOICE, profile=about.profile)))
    assert data["profile"] == {"name": "anna", "kind": "mixed", "recordings": 1}
    assert data["prediction"]["emotion"] == model.predict(VOICE, profile=profile).emotion
    text = report.report_html(data)
    assert str(profile.mean[0]) not in text
    assert "centre" not in data["card"]


def test_how_often_such_an_answer_is_right_comes_from_the_tests_beside_the_model():
    model = sottovoce.load()
    about = ExportSubject(str(VOICE), model, "a.wav", None, read(find(), model.card))
    data = report.report_data(about, list(model.timeline(VOICE)))
    assert data["reliability"]["right"]


def test_it_opens_offline_and_says_what_was_heard(browser, about, segments, tmp_path):
    path = tmp_path / "call.html"
    data = report.report_data(about, segments) | {"name": EVIL}
    path.write_text(report.report_html(data), encoding="utf-8")
    page, trouble = opened(browser, path)
    named = [one for one in merge_segments(segments) if one.emotion is not None]
    rows = page.locator("tbody tr")
    assert rows.count() == len(named) > 1
    for row, one in zip(rows.all(), named, strict=True):
        assert float(row.get_attribute("data-start")) == pytest.approx(one.start)
        assert float(row.get_attribute("data-end")) == pytest.approx(one.end)
        assert one.words in row.inner_text()
    assert page.locator("h1").inner_text() == " ".join(EVIL.split())
    assert "broken out" not in page.title().split(" · ")[-1]
    assert page.locator("audio, td button").count() == 0
    assert about.model.card.limits[0] in page.locator("main").inner_text()
    assert trouble == []


def test_a_click_plays_the_stretch_and_stops_at_its_end(browser, about, segments, tmp_path):
    path = tmp_path / "call.html"
    path.write_text(report.report_html(report.report_data(about, segments, audio=True)))
    page, trouble = opened(browser, path)
    row = page.locator("tbody tr").nth(1)
    start, end = (float(row.get_attribute(f"data-{name}")) for name in ("start", "end"))
    row.get_by_role("button").click()
    page.wait_for_function(
        "([start, end]) => { const a = document.querySelector('audio');"
        " return a.paused && a.currentTime >= end - 0.05 && a.currentTime < end + 1; }",
        arg=[start, end],
    )
    assert trouble == []


def test_on_paper_long_recordings_are_broken_into_rows_and_nothing_is_to_be_pressed(
    browser, model, tmp_path
):
    voice = Audio.read(VOICE, sample_rate=RATE).samples[0]
    path = tmp_path / "long.wav"
    soundfile.write(path, np.tile(voice, 80)[: 200 * RATE], RATE)
    about = ExportSubject(str(path), model, "long.wav")
    data = report.report_data(about, list(model.timeline(path)), audio=True)
    target = tmp_path / "long.html"
    target.write_text(report.report_html(data), encoding="utf-8")
    page, trouble = opened(browser, target, print_media=True)
    assert page.locator(".report-row").count() == 2
    assert page.locator(".report-row .lane").count() == 2
    assert page.locator("audio:visible, td button:visible").count() == 0
    pdf = page.pdf(prefer_css_page_size=True)
    width, height = map(float, re.search(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", pdf).groups())
    assert (round(width), round(height)) == (595, 842)
    assert trouble == []
