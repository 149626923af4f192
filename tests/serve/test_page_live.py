"""Live on the page: what it shows is what the library says, and what was recorded is kept."""

import base64
import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from serving import RunningService, address, until
from websockets.sync.client import connect

import sottovoce


@pytest.fixture
def visit(visit) -> Callable[..., Any]:
    """Open the screen; the microphone plays a voice."""

    def go(**more: Any) -> Any:
        page = visit("#/live", **more)
        page.get_by_role("button", name="Start listening").wait_for()
        return page

    return go


def start(page: Any) -> None:
    page.get_by_role("button", name="Start listening").click()


def kept(page: Any) -> bytes:
    """The sound of the newest recording in the page's library."""
    text = page.evaluate(
        """async () => {
          const library = await import("/page/library.js");
          const blob = await library.sound((await library.recordings())[0].hash);
          const reader = new FileReader();
          await new Promise((done) => { reader.onload = done; reader.readAsDataURL(blob); });
          return reader.result;
        }"""
    )
    return base64.b64decode(text.partition(",")[2])


def test_the_labels_shown_are_those_of_the_library_and_stopping_opens_the_same_sound(visit) -> None:
    page = visit()
    sent: list[str | bytes] = []
    received: list[dict[str, Any]] = []

    def watch(socket: Any) -> None:
        socket.on("framesent", lambda message: sent.append(message))
        socket.on("framereceived", lambda text: received.append(json.loads(text)))

    page.on("websocket", watch)
    start(page)
    page.wait_for_function("() => document.querySelectorAll('.live-lane .block').length > 1")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused").wait_for()
    config = json.loads(sent[0])
    samples = np.frombuffer(b"".join(one for one in sent[1:] if isinstance(one, bytes)), "<i2")
    model = sottovoce.load()
    expected = [one.to_dict() for one in model.stream(config["sample_rate"]).feed(samples)]
    assert len(expected) > 1
    until_count(page, received, len(expected))
    measured = [one for one in received if one["type"] == "measurement"]
    for mine, theirs in zip(measured, expected, strict=True):
        assert (mine["start"], mine["status"], mine["emotion"]) == (
            theirs["start"],
            theirs["status"],
            theirs["emotion"],
        )
        assert mine["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-4)
    words = [in_words(one) for one in expected]
    page.wait_for_function(
        "(word) => document.querySelector('.live-answer .emotion').textContent === word",
        arg=words[-1],
    )
    shown = page.locator(".live-lane .block").evaluate_all(
        "(all) => all.map((one) => one.querySelector('.word')?.textContent ?? null)"
    )
    judged = [in_words(one) if one["emotion"] else None for one in expected]
    assert shown == [word for word, _ in groupby(judged)]

    page.get_by_role("button", name="Stop and open").click()
    page.locator(".studio-head .name").wait_for()
    assert page.locator(".studio-head .name").input_value().startswith("Live 20")
    sound = kept(page)
    assert sound[44:] == samples.tobytes()
    assert sottovoce.Audio.read(sound).sample_rate == config["sample_rate"]


def until_count(page: Any, received: list[dict[str, Any]], count: int) -> None:
    """Wait until so many segments have come; events come while the page is asked something."""
    until(
        lambda: (
            page.evaluate("1") == 1
            and sum(one["type"] == "measurement" for one in received) >= count
        )
    )


def in_words(segment: dict[str, Any]) -> str:
    status = sottovoce.results.Status(segment["status"])
    plain = {"silence": "silence", "no_speech": "no speech", "too_short": "too short"}
    if segment["emotion"] is None:
        return plain[status]
    return f"perhaps {segment['emotion']}" if status == "uncertain" else segment["emotion"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("NotAllowedError", "was not allowed"),
        ("NotFoundError", "No microphone was found"),
        ("NotReadableError", "another program"),
    ],
)
def test_a_microphone_that_cannot_be_had_gets_its_sentence(
    visit, error: str, sentence: str
) -> None:
    page = visit(
        before=f"""navigator.mediaDevices.getUserMedia =
          () => Promise.reject(new DOMException("no", "{error}"))"""
    )
    start(page)
    page.get_by_role("alert").filter(has_text=sentence).wait_for()
    assert page.get_by_role("button", name="Start listening").is_enabled()


def test_a_page_that_is_not_secure_says_so(visit) -> None:
    page = visit(
        before="""Object.defineProperty(navigator, "mediaDevices", { value: undefined });
          Object.defineProperty(window, "isSecureContext", { value: false });"""
    )
    start(page)
    page.get_by_role("alert").filter(has_text="https").wait_for()


def test_a_busy_service_is_said_to_be_busy_and_nothing_is_lost_by_it(
    visit, studio: RunningService
) -> None:
    page = visit()
    with connect(address(studio)) as socket:
        socket.send(json.dumps({"type": "config", "sample_rate": 16_000}))
        socket.recv()
        start(page)
        page.get_by_role("alert").filter(has_text="it is busy").wait_for()
    again = page.get_by_role("button", name="Connect again")
    listening = page.get_by_text("Listening", exact=True)
    again.or_(listening).first.wait_for()
    if again.is_visible():
        again.click()
    page.locator(".live-lane .block").first.wait_for()
    assert page.get_by_role("alert").inner_text() == ""


def test_leaving_the_screen_keeps_what_was_recorded(visit) -> None:
    page = visit()
    start(page)
    page.locator(".live-lane .block").first.wait_for()
    page.get_by_role("link", name="Sottovoce").click()
    page.get_by_role("link", name="Live 20").first.wait_for()
    assert len(kept(page)) > 2 * 16_000
