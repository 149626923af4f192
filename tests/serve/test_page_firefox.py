"""The page in Firefox: a recording is opened, heard, played and kept."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import VOICE
from firefox import Firefox, firefox
from serving import RunningService

import sottovoce


@pytest.fixture
def fox(tmp_path: Path) -> Iterator[Firefox]:
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("Firefox is not installed: apt-get install -y firefox-esr")
    profile = tmp_path / "profile"
    profile.mkdir()
    with firefox(program, profile) as driven:
        yield driven


def test_a_voice_is_opened_heard_played_and_kept(fox: Firefox, studio: RunningService) -> None:
    fox.go(f"{studio.url}/")
    fox.wait_for(".hero")
    fox.choose_file("input[type=file]", VOICE)
    assert fox.wait_for(".answer .emotion").lower() == sottovoce.load().predict(VOICE).words
    fox.wait_for(".block")
    fox.evaluate("document.querySelector('[data-control=play]').click()")
    fox.wait_until("document.querySelector('[data-control=play]').textContent === 'Pause'")
    address = fox.evaluate("location.href")
    fox.go(address)
    fox.wait_for(".answer .emotion")
    assert fox.evaluate("document.querySelectorAll('.problem').length") == 0
    ours = (studio.url, "data:", "blob:")
    outside = [url for url in fox.requests if not url.startswith(ours)]
    assert outside == []
