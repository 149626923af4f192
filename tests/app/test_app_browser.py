"""The app in a real browser: what people see, hear and get, page by page."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny_encoder_model import INFO, write_tiny_encoder
from tiny_model import VOICE as LIVELY

import sottovoce
from sottovoce.inference.occlusion import explain
from sottovoce.options import RecordingOptions

VOICE = LIVELY.with_name("calm-voice.wav")
"""Of the samples, the one that the built-in model is sure of."""

SAMPLES = VOICE.parent
CHART = "stVegaLiteChart"
PAGES = ("Listen", "Compare", "Why", "Models", "Correct it")


def upload(page: Any, *files: Path) -> None:
    page.locator("input[type=file]").set_input_files([str(file) for file in files])
    page.locator("audio").first.wait_for()


def follow(page: Any, name: str) -> None:
    """Go to another page by its link, which is in the sidebar on a narrow screen."""
    narrow = page.viewport_size["width"] < 700
    if narrow:
        page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", level=1, name=name, exact=True).wait_for()
    if narrow:
        page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()


def drawn(page: Any, number: int) -> Any:
    """Wait for a chart to be drawn."""
    chart = page.get_by_test_id(CHART).nth(number).locator("svg, canvas").first
    chart.wait_for()
    return chart


def downloaded(page: Any, button: str) -> str:
    with page.expect_download() as started:
        page.get_by_role("button", name=button, exact=True).click()
    return Path(started.value.path()).read_text(encoding="utf-8")


def test_an_uploaded_voice_gets_the_models_answer_with_pictures_and_files(visit) -> None:
    page = visit()
    upload(page, VOICE)
    page.get_by_role("button", name="Predict").click()
    said = sottovoce.load().predict(VOICE)

    page.get_by_role("heading", name=str(said.emotion).capitalize(), exact=True).wait_for()
    for number in range(3):
        drawn(page, number)
    page.get_by_test_id(CHART).nth(2).locator("image").wait_for()
    (answer,) = json.loads(downloaded(page, "JSON"))
    assert answer["path"] == VOICE.name
    assert answer["emotion"] == said.emotion
    assert answer["probabilities"] == pytest.approx(said.probabilities, abs=1e-3)
    (row,) = csv.DictReader(downloaded(page, "CSV").splitlines())
    assert row["emotion"] == said.emotion
    assert float(row["angry"]) == pytest.approx(said.probabilities["angry"], abs=1e-3)


def test_an_m4a_is_heard(visit, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="m4a needs PyAV, the extra media")
    file = tmp_path / "voice.m4a"
    voice = sottovoce.Audio.read(VOICE)
    with av.open(file, "w", format="ipod") as media:
        stream = media.add_stream("aac", rate=voice.sample_rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(voice.samples, format="fltp", layout="mono")
        frame.sample_rate = voice.sample_rate
        for each in (frame, None):
            media.mux(stream.encode(each))
    page = visit()
    upload(page, file)
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("button", name="JSON").wait_for()
    (answer,) = json.loads(downloaded(page, "JSON"))
    said = sottovoce.load().predict(file)
    assert answer["status"] == said.status
    assert answer["probabilities"] == pytest.approx(said.probabilities, abs=1e-3)


def test_a_voice_is_recorded_from_the_microphone(visit) -> None:
    page = visit()
    page.get_by_text("Record", exact=True).click()
    page.get_by_role("button", name="Record", exact=True).last.click()
    page.wait_for_timeout(3500)
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_role("button", name="Predict").click()

    page.get_by_role("button", name="JSON").wait_for()
    (answer,) = json.loads(downloaded(page, "JSON"))
    assert answer["status"] in ("ok", "uncertain")
    assert 2.5 < answer["duration"] < 6


def test_what_cannot_be_judged_is_told_in_plain_words(visit, tmp_path: Path) -> None:
    names = ("broken.wav", "empty.mp3", "short.wav", "long.flac")
    broken, empty, short, long = (tmp_path / name for name in names)
    broken.write_text("this is no recording")
    empty.touch()
    voice, rate = soundfile.read(VOICE)
    soundfile.write(short, voice[: rate // 5], rate)
    soundfile.write(long, np.zeros(8000 * 601), 8000)
    page = visit()
    upload(page, SAMPLES / "silence.wav")
    page.locator("input[type=file]").set_input_files(
        [str(one) for one in (SAMPLES / "noise.wav", short, broken, empty, long)]
    )
    page.get_by_text("long.flac").first.wait_for()
    page.get_by_role("button", name="Predict").click()

    page.get_by_role("heading", name="The recording is silent").wait_for()
    page.get_by_text("Its level is -96 dB; anything below -66 dB").wait_for()
    words = {
        "noise.wav": "We hear no speech",
        "short.wav": "At least 0.5 seconds are needed",
        "broken.wav": "This file could not be read. broken.wav",
        "empty.mp3": "the file is empty",
        "long.flac": "longer than 10 minutes",
    }
    for name, said in words.items():
        page.get_by_role("combobox").last.click()
        page.get_by_role("option", name=name).click()
        page.get_by_text(said).last.wait_for()


def test_a_long_recording_is_followed_over_time(visit, tmp_path: Path, ravdess: Path) -> None:
    files = sorted(ravdess.rglob("*.flac"))[:40:10]
    parts = [sottovoce.Audio.read(file, sample_rate=16_000).samples[0] for file in files]
    long = tmp_path / "long.wav"
    soundfile.write(long, np.concatenate(parts), 16_000)
    page = visit(height=2000)
    upload(page, long)
    page.get_by_role("button", name="Predict").click()

    page.get_by_role("heading", name="Over time").wait_for()
    for number in range(5):
        drawn(page, number)
    rows = list(csv.DictReader(downloaded(page, "Timeline as CSV").splitlines()))
    expected = list(sottovoce.load().timeline(long, lookahead=RecordingOptions().lookahead))
    assert [row["emotion"] or None for row in rows] == [one.emotion for one in expected]
    assert float(rows[-1]["end"]) == pytest.approx(sum(map(len, parts)) / 16_000, abs=1e-3)


def test_thresholds_in_the_sidebar_change_the_answer(visit, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.wav"
    voice, rate = soundfile.read(VOICE)
    soundfile.write(quiet, voice * 0.05, rate)
    page = visit()
    upload(page, quiet)
    page.get_by_role("button", name="Predict").click()
    said = sottovoce.load().predict(quiet)
    page.get_by_role("heading", name=str(said.emotion).capitalize(), exact=True).wait_for()

    page.get_by_role("slider", name="Minimum confidence").press("End")
    page.get_by_role("heading", name=f"Perhaps {said.emotion}").wait_for()
    page.get_by_text(f"Below the minimum confidence: {100 * said.confidence:.0f} % sure").wait_for()
    page.get_by_role("slider", name="Silence threshold").press("End")
    page.get_by_text("Its level is").wait_for()


def test_models_are_compared_side_by_side(visit) -> None:
    page = visit()
    upload(page, VOICE)
    follow(page, "Compare")

    for name in ("sottovoce-small", "tiny"):
        page.get_by_role("heading", name=name, exact=True).wait_for()
    for number in range(2):
        drawn(page, number)
    page.get_by_role("heading", name="agree").wait_for()
    figure = sottovoce.load().card.figures[0].value
    page.get_by_text(f"{figure:.1%}".replace("%", " %")).first.wait_for()
    page.get_by_text("loso, 2 folds, 2 seeds").wait_for()


def choose(page: Any, model: str) -> None:
    page.get_by_role("combobox", name="Model", exact=True).click()
    page.get_by_role("option", name=model, exact=True).click()


def test_a_model_without_its_encoder_says_what_to_do_and_works_once_that_is_done(
    visit, server
) -> None:
    page = visit()
    upload(page, VOICE)
    choose(page, "standing")
    page.get_by_role("button", name="Predict").click()
    page.get_by_text(f"stands on the pretrained encoder {INFO.name}, which is not on").wait_for()
    page.get_by_text(f"sottovoce encoder {server.models / 'standing.onnx'}").wait_for()
    follow(page, "Compare")
    page.get_by_text(f"stands on the pretrained encoder {INFO.name}").wait_for()
    page.get_by_role("heading", name="agree").wait_for()

    made = write_tiny_encoder()
    try:
        follow(page, "Listen")
        page.get_by_role("button", name="JSON").wait_for()
        (answer,) = json.loads(downloaded(page, "JSON"))
        whole = sottovoce.load(server.models / "tiny.onnx").predict(VOICE)
        assert answer["probabilities"] == pytest.approx(whole.probabilities, abs=1e-3)
        follow(page, "Compare")
        drawn(page, 2)
    finally:
        made.unlink()


def test_why_shows_and_plays_the_decisive_stretch(visit) -> None:
    page = visit(height=1800)
    upload(page, VOICE)
    follow(page, "Why")
    found = explain(sottovoce.load(), VOICE, bands=8)
    assert found.stretch is not None

    span = f"{found.stretch[0]:.2f} to {found.stretch[1]:.2f} s"
    page.get_by_text(f"Only the decisive stretch, {span}").wait_for()
    for number in range(3):
        drawn(page, number)
    lengths = page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('audio')].map(one => one.duration);"
        " return all.length == 2 && all.every(Number.isFinite) && all }"
    ).json_value()
    assert lengths[0] == pytest.approx(sottovoce.Audio.read(VOICE).duration, abs=0.1)
    assert lengths[1] == pytest.approx(found.stretch[1] - found.stretch[0], abs=0.1)


@pytest.mark.parametrize("dark", [False, True])
def test_cards_give_no_figure_without_its_protocol(dark: bool, visit) -> None:
    page = visit("models", dark=dark, height=2600)
    page.get_by_text("Left out:").wait_for()
    assert "broken.onnx" in page.get_by_text("Left out:").inner_text()
    protocol = sottovoce.load().card.protocol
    seeds = len(protocol.seeds)
    measured = f"Measured by {protocol.name}, {protocol.folds} folds, {seeds} seeds"
    page.get_by_text(measured).first.wait_for()
    page.get_by_role("heading", name="Limits").wait_for()
    for number in range(2):
        drawn(page, number)
    assert page.get_by_text(measured.removeprefix("Measured by ")).count() >= 2
    page.get_by_text(f"Licence {sottovoce.load().card.licence}").wait_for()


def test_a_correction_is_written_by_consent_alone_and_training_reads_it(visit, server) -> None:
    from sottovoce.learn.corpora.table import read

    page = visit()
    upload(page, VOICE)
    follow(page, "Correct it")
    send = page.get_by_role("button", name="Keep the correction")
    send.click()
    page.get_by_text("Choose what it really was").wait_for()
    page.get_by_role("combobox", name="What it really was").click()
    page.get_by_role("option", name="sad", exact=True).click()
    page.get_by_role("textbox", name="Who speaks").fill("Anna")
    send.click()
    page.get_by_text("Without consent nothing is written").wait_for()
    assert not server.corrections.exists()

    page.get_by_text("I agree that this recording is kept").click()
    send.click()
    page.get_by_text("Kept as sad").wait_for()
    (clip,) = read(server.corrections / "labels.csv").clips
    assert clip.emotion == "sad"
    assert clip.speaker == "table/Anna"
    kept, given = sottovoce.Audio.read(clip.path), sottovoce.Audio.read(VOICE)
    assert kept.sample_rate == given.sample_rate
    assert np.allclose(kept.samples, given.samples, atol=1e-4)


@pytest.mark.parametrize("look", ["dark", "phone"])
def test_every_page_fits_a_phone_and_is_dark_where_that_is_wished(look, visit, shoot) -> None:
    page = visit(width=390, height=2400) if look == "phone" else visit(dark=True)
    upload(page, VOICE)
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("button", name="JSON").wait_for()
    for name in PAGES:
        if name != "Listen":
            follow(page, name)
        page.get_by_text("In the EU,").last.wait_for()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"], name
        colour = page.evaluate(
            "getComputedStyle(document.querySelector('.stApp')).backgroundColor.match(/\\d+/g)"
        )
        assert (int(colour[0]) < 60) == (look == "dark")
        page.wait_for_timeout(1000)  # charts are drawn after the page is
        shoot(page, f"{look} {name}")


def tab_to(page: Any, wanted: Any) -> None:
    wanted.wait_for()
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one.contains(document.activeElement)"):
            return
    pytest.fail(f"Tab never reaches {wanted}")


def test_the_keyboard_is_enough(visit) -> None:
    page = visit()
    page.locator("[data-test-script-state=notRunning]").wait_for()  # else the button is drawn anew
    with page.expect_file_chooser() as chosen:  # Chromium is told of it late: not just before Enter
        tab_to(page, page.get_by_test_id("stFileUploader").locator("button").first)
        page.keyboard.press("Enter")
    chosen.value.set_files(str(VOICE))
    page.locator("audio").first.wait_for()
    tab_to(page, page.get_by_role("button", name="Predict"))
    page.keyboard.press("Enter")
    said = sottovoce.load().predict(VOICE)
    page.get_by_role("heading", name=str(said.emotion).capitalize(), exact=True).wait_for()

    tab_to(page, page.get_by_role("combobox", name="Model", exact=True))
    page.keyboard.type("tiny")
    page.keyboard.press("Enter")
    page.get_by_label("Probability of each emotion").first.wait_for()
    tab_to(page, page.get_by_role("slider", name="Minimum confidence"))
    page.keyboard.press("End")
    page.get_by_role("heading", name="Perhaps").wait_for()
    with page.expect_download() as started:
        tab_to(page, page.get_by_role("button", name="CSV", exact=True))
        page.keyboard.press("Space")
    assert "tiny" in Path(started.value.path()).read_text(encoding="utf-8")
    tab_to(page, page.get_by_role("link", name="Why", exact=True))
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Why", exact=True).wait_for()


def test_what_it_cannot_know_and_the_law_are_on_every_page(visit: Callable[..., Any]) -> None:
    page = visit("correct")
    page.get_by_text("people must be told").first.wait_for()
    page.get_by_text("What it cannot know, and what the law says").click()
    page.get_by_text("Most models learned from actors").wait_for()
    page.get_by_text("AI Act, Article 5").wait_for()
