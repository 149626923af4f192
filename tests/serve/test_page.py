"""The page as people meet it: a real service, real Chromium, real sound."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browser import VOICE, long_recording, pages, upload
from serving import RunningService, run_service, until

import sottovoce
from sottovoce.inference.recording import WHOLE_SECONDS
from sottovoce.options import RecordingOptions
from sottovoce.serve import web_page

SAMPLES = VOICE.parent
VOICES = ("calm", "lively", "stern")


@pytest.fixture
def node() -> str:
    if (found := shutil.which("node")) is None:
        pytest.skip("no node")
    return found


def test_the_page_says_of_a_long_recording_what_predict_says(tmp_path: Path, node: str) -> None:
    path = tmp_path / "long.wav"
    voices = [sottovoce.Audio.read(SAMPLES / f"{name}-voice.wav") for name in VOICES]
    turns = np.concatenate([voice.resample(16_000).samples[0] for voice in voices])
    soundfile.write(path, np.resize(turns, 70 * 16_000), 16_000)
    model = sottovoce.load()
    with model.timeline(path) as timeline:
        segments = [segment.to_dict() for segment in timeline]
    script = f"""import {{ overall, WHOLE }} from "{web_page.FOLDER / "answers.js"}";
    console.log(JSON.stringify([overall({json.dumps(segments)}), WHOLE]));"""
    command = [node, "--input-type=module", "--eval", script]
    found, whole = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert found == pytest.approx(dict(model.predict(path).probabilities))
    assert whole == WHOLE_SECONDS


@pytest.fixture
def visit_tiny(_chromium: Any, built: None, tiny: Path) -> Iterator[Any]:
    """As `visit`, with a model that is quick."""
    with run_service(tiny) as service, pages(_chromium, service.url) as go:
        yield go


def test_a_voice_that_is_opened_gets_the_models_answer_and_keeps_it_over_a_refresh(visit) -> None:
    page = visit()
    upload(page, VOICE)
    said = sottovoce.load().predict(VOICE)
    answer = page.locator(".answer .emotion")
    answer.wait_for()
    assert answer.inner_text().lower() == said.words
    assert f"{100 * said.confidence:.0f} % sure" in page.locator(".answer").inner_text()
    address = page.url
    page.reload()
    page.locator(".answer .emotion").wait_for()
    assert page.url == address
    other = visit(f"#{address.partition('#')[2]}", context=page.context)  # a second tab
    other.locator(".answer .emotion").wait_for()


def test_the_segments_that_are_shown_are_those_of_the_timeline(visit, tmp_path: Path) -> None:
    path = long_recording(tmp_path)
    page = visit()
    upload(page, path)
    page.locator(".stretches li").first.wait_for()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="JSON").click()
    shown = json.loads(Path(started.value.path()).read_text(encoding="utf-8"))["segments"]
    options = RecordingOptions()
    expected = [one.to_dict() for one in sottovoce.load().timeline(path, **dict(options))]
    assert [(one["start"], one["end"], one["status"], one["emotion"]) for one in shown] == [
        (one["start"], one["end"], one["status"], one["emotion"]) for one in expected
    ]
    for mine, theirs in zip(shown, expected, strict=True):
        assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-4)


DECODING = """const decode = OfflineAudioContext.prototype.decodeAudioData;
OfflineAudioContext.prototype.decodeAudioData = function (...given) {
  window.__shown = document.querySelectorAll(".track .block").length;
  return decode.apply(this, given);
};
const later = window.setTimeout.bind(window);
window.setTimeout = (work, wait, ...more) => later(work, wait === 1000 ? 60000 : wait, ...more);"""
"""Counts what the lane shows when the browser decodes; whoever waits a second waits a minute."""


def test_the_lane_is_there_before_the_browser_decodes(visit_tiny, tmp_path: Path) -> None:
    page = visit_tiny(before=DECODING)
    upload(page, long_recording(tmp_path))
    page.locator(".stretches li").first.wait_for()
    assert page.evaluate("window.__shown") > 0


def test_a_click_plays_that_stretch_and_the_list_follows(visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, long_recording(tmp_path))
    page.locator(".stretches li").nth(2).wait_for()
    block = page.locator(".block.ok, .block.uncertain").nth(1)
    start = float(block.get_attribute("data-start"))
    assert start > 0
    block.click()
    page.wait_for_function(
        "() => document.querySelector('[data-control=play]').textContent === 'Pause'"
    )
    row = page.locator(".stretches li[aria-current]")
    row.wait_for()
    assert float(row.get_attribute("data-start")) <= start + 1e-3


def test_a_threshold_relabels_in_the_page_without_asking_the_service(visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, long_recording(tmp_path))
    page.locator(".stretches li").first.wait_for()
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.evaluate(
        """() => {
          const slider = document.getElementById("least");
          slider.value = 1;
          slider.dispatchEvent(new Event("input"));
        }"""
    )
    assert page.locator(".block.uncertain").count() > 0
    assert page.locator(".block.ok").count() == 0
    assert not asked


def test_a_correction_is_kept_undone_and_touches_no_other_recording(visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, VOICE)
    page.locator(".stretches li").first.wait_for()
    page.locator("main").press("5")
    page.locator(".stretches li .what", has_text="fearful").first.wait_for()
    page.reload()
    page.locator(".stretches li .what", has_text="fearful").first.wait_for()
    page.locator("main").press("u")
    page.locator(".block.corrected").first.wait_for(state="detached")
    page.locator("main").press("5")
    page.locator(".block.corrected").first.wait_for()
    page.goto(page.url.partition("#")[0])
    upload(page, SAMPLES / "lively-voice.wav")
    page.locator(".stretches li").first.wait_for()
    assert page.locator(".block.corrected").count() == 0


def test_why_is_of_the_stretch_that_was_asked_about(visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, long_recording(tmp_path))
    page.locator(".stretches li").first.wait_for()
    row = page.locator(".stretches li").last
    start, end = (float(row.get_attribute(f"data-{name}")) for name in ("start", "end"))
    row.get_by_role("button", name="Why").click()
    panel = page.locator(".why-panel")
    panel.locator("canvas").wait_for()
    sentence = panel.locator("canvas").get_attribute("aria-label")
    times = [60 * int(m) + float(s) for m, s in re.findall(r"(\d+):(\d\d\.\d\d)", sentence)]
    if not times:
        assert sentence == "No single moment carried it."
    else:
        assert start - 0.3 <= times[0] < times[1] <= end + 0.3
        panel.get_by_role("button", name="Play").click()
        page.locator(f".stretches li[data-start='{start:g}'][aria-current]").wait_for()


def test_an_answer_to_why_that_comes_late_stands_in_for_no_newer_one(visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, long_recording(tmp_path))
    rows = page.locator(".stretches li")
    rows.nth(1).wait_for()
    held: list[Any] = []
    page.route("**/v1/why*", lambda route: held.append(route))
    for number, row in enumerate((rows.first, rows.last)):
        row.get_by_role("button", name="Why").click()
        until(lambda number=number: page.evaluate("1") and len(held) > number)
    held[1].continue_()
    panel = page.locator(".why-panel")
    panel.locator("canvas").wait_for()
    said = panel.inner_text()
    with page.expect_response("**/v1/why*") as late:
        held[0].continue_()
    late.value.finished()
    page.evaluate("() => new Promise((done) => setTimeout(done))")
    assert panel.inner_text() == said


def test_the_first_page_says_of_a_recording_what_the_studio_says(visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, long_recording(tmp_path))
    page.locator(".stretches li").first.wait_for()
    label, share = re.match(r"(\D+)(\d+ %)", page.locator(".chip").nth(1).inner_text()).groups()
    page.get_by_role("link", name="Sottovoce").click()
    row = page.locator(".list li")
    row.wait_for()
    assert f"{label.strip()} {share} of the time" in row.inner_text()


def test_a_broken_file_says_what_is_wrong_in_a_sentence(visit, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound at all" * 100)
    page = visit()
    upload(page, tmp_path / "broken.wav")
    problem = page.locator(".problem")
    problem.wait_for()
    assert len(problem.inner_text()) > 20
    assert "Traceback" not in problem.inner_text()


def test_a_cut_recording_says_what_was_not_heard(visit, tmp_path: Path) -> None:
    whole = tmp_path / "whole.flac"
    samples, rate = soundfile.read(VOICE, dtype="float32")
    soundfile.write(whole, samples, rate)
    content = whole.read_bytes()
    page = visit()
    upload(page, file("cut.flac", content[: 2 * len(content) // 3]))
    page.locator(".answer .emotion").wait_for()
    assert "cut" in page.locator(".warnings").inner_text()


@pytest.mark.parametrize("name", ["voice.opus", "voice.webm", "voice.mov"])
def test_a_recording_is_known_by_its_content_whatever_its_name(visit, name: str) -> None:
    page = visit()
    upload(page, file(name, VOICE.read_bytes()))
    answer = page.locator(".answer .emotion")
    answer.wait_for()
    assert answer.inner_text().lower() == sottovoce.load().predict(VOICE).words


def file(name: str, content: bytes) -> dict[str, Any]:
    """A file to choose."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def test_eleven_minutes_are_heard_to_the_end(visit_tiny, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "eleven-minutes.flac"
    samples = sottovoce.Audio.read(VOICE, sample_rate=16_000).samples[0]
    soundfile.write(path, np.resize(samples, 660 * 16_000), 16_000)
    page = visit_tiny()
    upload(page, path)
    page.locator(".stretches li").first.wait_for()
    end = page.locator(".stretches li").last.get_attribute("data-end")
    first = page.locator(".chips .chip").nth(1).inner_text()
    with sottovoce.load(tiny).timeline(path) as timeline:
        segments = list(timeline)
    assert float(end) == pytest.approx(max(one.end for one in segments if one.emotion))
    shares = timeline.summary().shares
    assert first.startswith(max(shares, key=shares.__getitem__))


def test_everything_is_forgotten_when_asked(visit) -> None:
    page = visit()
    upload(page, VOICE)
    page.locator(".stretches li").first.wait_for()
    page.goto(page.url.partition("#")[0])
    page.get_by_role("button", name="Forget everything").click()
    page.locator("dialog").get_by_role("button", name="Forget everything").click()
    page.get_by_text("Nothing here yet").wait_for()
    page.reload()
    page.get_by_text("Nothing here yet").wait_for()


def test_the_page_says_how_to_build_it_where_it_is_not(monkeypatch, studio: RunningService) -> None:
    from serving import get

    monkeypatch.setattr(web_page, "BUILT", Path("nowhere"))
    answer = get(f"{studio.url}/")
    assert answer.status_code == 503
    assert answer.text.strip() == web_page.NOT_BUILT


def test_nothing_inline_may_run(studio: RunningService) -> None:
    from serving import get

    answer = get(f"{studio.url}/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert "<script>" not in answer.text
    assert " style=" not in answer.text
    assert get(f"{studio.url}/").headers["content-security-policy"] != policy
    assert get(f"{studio.url}/page/../web_page.py").status_code == 404
