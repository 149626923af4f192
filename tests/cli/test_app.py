"""`sottovoce app`: the studio on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from browser import VOICE
from serving import until

import sottovoce
from sottovoce.cli import app as command
from sottovoce.errors import SottovoceError
from sottovoce.models.registry import DEFAULT
from sottovoce.serve import web_page


def test_without_its_libraries_it_says_how_to_get_them(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(web_page, "BUILT", tmp_path / "nowhere")
    with pytest.raises(SottovoceError, match="make page"):
        command.app(browser=False)


def test_it_serves_the_page_to_this_machine_alone(tmp_path: Path, tiny: Path) -> None:
    if not web_page.is_built():
        pytest.skip(web_page.NOT_BUILT)
    run = [sys.executable, "-c", "from sottovoce.cli import main; main()", "app"]
    process = subprocess.Popen(
        [*run, "--no-browser", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "SOTTOVOCE_MODELS": str(tiny.parent)},
    )
    try:
        line = process.stdout.readline()
        assert line.startswith("Sottovoce is on http://127.0.0.1:")
        url = line.split()[-1]

        def answers() -> bool:
            try:
                return httpx.get(url).status_code == 200
            except httpx.HTTPError:
                return False

        until(answers)
        first, *others = httpx.get(f"{url}/v1/models").json()["models"]
        assert first["name"] == DEFAULT
        assert first["default"]
        name = sottovoce.load(tiny).card.name
        assert name in [other["name"] for other in others]
        address = f"{url}/v1/predict?model={name}"
        answer = httpx.post(address, content=VOICE.read_bytes(), timeout=60)
        (said,) = answer.json()["predictions"]
        assert said["emotion"] == sottovoce.load(tiny).predict(VOICE).emotion
        unopened = httpx.get(f"{url}/v1/models/{others[0]['name']}").json()
        assert unopened["name"] == others[0]["name"]
    finally:
        process.terminate()
        assert process.wait(30) == 0
        process.stdout.close()
    assert list(tmp_path.iterdir()) == []
