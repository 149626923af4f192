"""Fixtures that every test may use."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_model import VOICE, write_tiny

import sottovoce

ROOT = Path(__file__).resolve().parents[1]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
MICROPHONE = (
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    f"--use-file-for-fake-audio-capture={VOICE}",
)
PATIENCE = 20_000
"""ms."""


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora that SOTTOVOCE_DATA names; skips the test where there is none."""
    folder = os.environ.get("SOTTOVOCE_DATA")
    if not folder:
        pytest.skip("real speech is needed: set SOTTOVOCE_DATA to the folder of corpora")
    return Path(folder)


@pytest.fixture(scope="session")
def ravdess(corpora: Path) -> Path:
    """The folder of RAVDESS speech."""
    return corpora / "ravdess"


@pytest.fixture(scope="session")
def whisper() -> Path:
    """The weights of Whisper base's encoder; skips the test where SOTTOVOCE_ENCODERS has none."""
    folder = os.environ.get("SOTTOVOCE_ENCODERS")
    if not folder:
        pytest.skip("Whisper's weights are needed: set SOTTOVOCE_ENCODERS to their folder")
    return Path(folder) / "whisper-base-encoder"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a tiny model."""
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="session")
def model(tiny: Path) -> sottovoce.Model:
    """The same, as the library has it."""
    return sottovoce.load(tiny)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the image has it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*command, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that it is installed into, alone."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(folder), str(wheel)],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests' caches away from the user's."""
    os.environ["SOTTOVOCE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def _chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser needs Playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install -y chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=[*FLAGS, *MICROPHONE])
        yield chromium
        chromium.close()


@pytest.fixture
def browser(_chromium: Any) -> Iterator[Any]:
    """Chromium with a microphone that plays a voice, and nothing remembered of other tests."""
    context = _chromium.new_context(permissions=["microphone"])
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()
