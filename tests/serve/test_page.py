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
from browser import VOICE, pages, upload
from serving import RunningService, run_service

import sottovoce
from sottovoce.inference.recording import WHOLE_SECONDS
from sottovoce.options import RecordingOptions
from sottovoce.serve import web_page

SAMPLES = VOICE.parent
VOICES = ("calm", "lively", "stern")
PLAYING = "() => document.querySelector('[data-control=play]').textContent === 'Pause'"
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def served() -> Iterator[RunningService]:
    """The built-in model behind a service."""
    if not web_page.is_built():
        pytest.skip(web_page.NOT_BUILT)
    with run_service(None) as service:
        yield service


@pytest.fixture
def node() -> str:
    if (found := shutil.which("node")) is None:
        pytest.skip("no node")
    return found


@pytest.fixture
def visit(_chromium: Any, served: RunningService) -> Iterator[Any]:
    with pages(_chromium, served.url) as go:
        yield go


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
def visit_tiny(_chromium: Any, tiny: Path) -> Iterator[Any]:
    """As `visit`, with a model that is quick."""
    if not web_page.is_built():
        pytest.skip(web_page.NOT_BUILT)
    with run_service(tiny) as service, pages(_chromium, service.url) as go:
        yield go


def long_recording(folder: Path, name: str = "long.wav") -> Path:
    """Two voices in turn, with a pause: 20 s or so."""
    calm, rate = soundfile.read(VOICE, dtype="float32")
    lively = sottovoce.Audio.read(SAMPLES / "lively-voice.wav", sample_rate=rate).samples[0]
    gap = np.zeros(2 * rate, np.float32)
    path = folder / name
    soundfile.write(path, np.concatenate([calm, lively, gap, calm, lively]), rate)
    return path


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


def test_a_threshold_relabels_in_the_page_without_asking_the_service(
    visit, served: RunningService, tmp_path: Path
) -> None:
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
    row = page.locator(".stretches li").nth(1)
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


def test_the_keyboard_alone_is_enough(visit, tmp_path: Path) -> None:
    page = visit()
    upload(page, long_recording(tmp_path))
    page.locator(".stretches li").nth(1).wait_for()
    page.locator("main").press("ArrowDown")
    page.locator(".stretches li[aria-current]").wait_for()
    page.locator("main").press("?")
    page.get_by_role("heading", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="hidden")
    stops = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((one) => one.tabIndex >= 0
              && one.matches("button, a, input, select") && one.offsetParent
              && !one.closest(".stretches")).length"""
    )
    assert stops <= 20
    page.locator("main").press(" ")
    page.wait_for_function(
        "() => !document.querySelector('[data-control=play]').textContent.includes('Play')"
    )


@pytest.mark.parametrize(("dark", "width"), [(False, 1200), (True, 1200), (False, 390)])
def test_screens_have_no_fault_that_axe_knows(
    visit, tmp_path: Path, dark: bool, width: int
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci")
    page = visit(dark=dark, width=width)
    assert faults(page) == []
    upload(page, long_recording(tmp_path))
    page.locator(".stretches li").first.wait_for()
    assert faults(page) == []
    wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


def faults(page: Any) -> list[str]:
    """What axe-core finds; run in a world of its own, as the page lets no other script in."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found]


def test_the_page_says_how_to_build_it_where_it_is_not(monkeypatch, served: RunningService) -> None:
    from serving import get

    monkeypatch.setattr(web_page, "BUILT", Path("nowhere"))
    answer = get(f"{served.url}/")
    assert answer.status_code == 503
    assert answer.text.strip() == web_page.NOT_BUILT


def test_nothing_inline_may_run(served: RunningService) -> None:
    from serving import get

    answer = get(f"{served.url}/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert "<script>" not in answer.text
    assert " style=" not in answer.text
    assert get(f"{served.url}/").headers["content-security-policy"] != policy
    assert get(f"{served.url}/page/../web_page.py").status_code == 404
