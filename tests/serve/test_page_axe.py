"""Every screen of the page, light, dark and on a phone: nothing that axe-core finds fault with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import VOICE, long_recording, upload

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
}


def home(page: Any, folder: Path) -> None:
    page.get_by_text("Nothing here yet").wait_for()


def studio(page: Any, folder: Path) -> None:
    upload(page, long_recording(folder))
    page.locator(".stretches li").first.wait_for()


def known(page: Any, folder: Path) -> None:
    studio(page, folder)
    page.get_by_role("link", name="Sottovoce").click()
    page.locator(".list li").wait_for()


def utterance(page: Any, folder: Path) -> None:
    upload(page, VOICE)
    page.locator(".answer .emotion").wait_for()


def why(page: Any, folder: Path) -> None:
    studio(page, folder)
    page.get_by_role("button", name="Why", exact=True).first.click()
    page.locator(".why-panel canvas").wait_for()


def correct(page: Any, folder: Path) -> None:
    studio(page, folder)
    page.get_by_role("button", name="Correct", exact=True).first.click()
    page.get_by_role("dialog").wait_for()


def share(page: Any, folder: Path) -> None:
    studio(page, folder)
    page.get_by_role("button", name="Share report").click()
    page.get_by_role("dialog").wait_for()


def report(page: Any, folder: Path) -> None:
    share(page, folder)
    with page.expect_download() as download:
        page.get_by_role("button", name="With the sound").click()
    download.value.save_as(folder / "report.html")
    page.goto((folder / "report.html").as_uri())
    page.locator("tbody tr").first.wait_for()


def tune(page: Any, folder: Path) -> None:
    utterance(page, folder)
    page.get_by_role("button", name="Tune in").click()
    page.get_by_role("dialog").wait_for()


def tuned(page: Any, folder: Path) -> None:
    tune(page, folder)
    page.get_by_role("button", name="Listen to them").click()
    page.locator(".tuning table").wait_for()


def live(page: Any, folder: Path) -> None:
    page.get_by_role("link", name="Live", exact=True).click()
    page.get_by_role("button", name="Start listening").wait_for()


def listening(page: Any, folder: Path) -> None:
    live(page, folder)
    page.get_by_role("button", name="Start listening").click()
    page.locator(".live-lane .block").first.wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused").wait_for()


def batch(page: Any, folder: Path) -> None:
    notes = {"name": "notes.wav", "mimeType": "audio/wav", "buffer": b"no sound at all" * 100}
    again = {"name": "again.wav", "mimeType": "audio/wav", "buffer": VOICE.read_bytes()}
    upload(page, {**again, "name": "calm.wav"}, again, notes)
    page.get_by_text("2 of 2 judged").wait_for()


def label(page: Any, folder: Path) -> None:
    utterance(page, folder)
    page.get_by_role("link", name="Label").click()
    page.locator(".unit-wave [part~=region]").wait_for()
    page.keyboard.press("1")
    page.locator(".counts").wait_for()


def compare(page: Any, folder: Path) -> None:
    studio(page, folder)
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("heading", name="Where they disagree").wait_for()


def models(page: Any, folder: Path) -> None:
    page.get_by_role("link", name="Models").click()
    page.locator(".confusion").wait_for()


SCREENS = (
    *(home, known, studio, utterance, why, correct, share, report, tune, tuned),
    *(live, listening, batch, label, compare, models),
)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.__name__)
def test_axe_finds_no_fault(
    visit: Callable[..., Any], tmp_path: Path, screen: Callable[[Any, Path], None], look: str
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci")
    page = visit(bypass_csp=True, **LOOKS[look])  # axe-core sets styles of its own
    screen(page, tmp_path)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations")
    assert [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]] == []
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
