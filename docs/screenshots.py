"""Takes the pictures of the studio that the documentation shows: `make screenshots`.

It serves ravdess8-tcn on this machine and opens the page in Chromium. What is heard are the
synthesised voices in samples/, one after another.

    python docs/screenshots.py [--all FOLDER]

With --all every screen goes into a folder, light, dark and on a phone, to be looked at.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.sync_api import sync_playwright

import sottovoce

ROOT = Path(__file__).resolve().parents[1]
VOICES = [ROOT / "samples" / f"{name}-voice.wav" for name in ("lively", "stern", "calm")]
PICTURES = ROOT / "docs" / "pictures"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
    f"--use-file-for-fake-audio-capture={VOICES[0]}",
)
LOOKS = {"light": ("light", 1200), "dark": ("dark", 1200), "phone": ("light", 390)}


def conversation(path: Path) -> Path:
    """The voices in turn, twice, with pauses: half a minute."""
    rate = 16_000
    pause = np.zeros(rate, np.float32)
    parts = [sottovoce.Audio.read(voice, sample_rate=rate).samples[0] for voice in VOICES]
    soundfile.write(
        path, np.concatenate([each for part in parts * 2 for each in (part, pause)]), rate
    )
    return path


def studio(page: Any, url: str, recording: Path) -> None:
    """A recording in the studio, its second stretch chosen."""
    page.goto(url)
    page.locator("input[type=file]").first.set_input_files(str(recording))
    page.locator(".stretches li").nth(1).wait_for()
    page.keyboard.press("ArrowDown")


def screens(page: Any, url: str, recording: Path) -> dict[str, Any]:
    """Name -> what shows the screen."""

    def why() -> None:
        studio(page, url, recording)
        page.get_by_role("button", name="Why", exact=True).first.click()
        page.locator(".why-panel canvas").wait_for()

    def batch() -> None:
        page.goto(url)
        page.locator("input[type=file]").first.set_input_files(list(map(str, VOICES)))
        page.locator(".batch-table .lane").nth(2).wait_for()
        page.locator("progress").wait_for(state="detached")

    def at(address: str, ready: str) -> Any:
        def show() -> None:
            page.goto(f"{url}/#/{address}")
            page.locator(ready).first.wait_for()

        return show

    def live() -> None:
        page.goto(f"{url}/#/live")
        page.get_by_role("button", name="Start listening").click()
        page.locator(".live-moving .block").nth(2).wait_for()

    return {
        "studio": lambda: studio(page, url, recording),
        "why": why,
        "batch": batch,
        "home": at("", ".recent .list"),
        "models": at("models", ".confusion"),
        "label": at("label", ".labels"),
        "compare": at("compare", "h2:has-text('Where they disagree')"),
        "live": live,
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    wanted = {"studio": ("light", "dark", "phone")}
    command = [sys.executable, "-c", "from sottovoce.cli import main; main()", "app", "--port", "0"]
    models = ["--no-browser", "--model", "ravdess8-tcn", "--model", "sottovoce-small"]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        recording = conversation(Path(folder) / "conversation.wav")
        service = subprocess.Popen([*command, *models], stdout=subprocess.PIPE, text=True)
        try:
            assert service.stdout is not None
            url = service.stdout.readline().split()[-1]
            path = shutil.which("chromium") or shutil.which("chromium-browser")
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            for look, (scheme, width) in LOOKS.items():
                context = browser.new_context(
                    color_scheme=scheme,
                    viewport={"width": width, "height": 800},
                    permissions=["microphone"],
                )
                context.set_default_timeout(120_000)
                for name, show in screens(page := context.new_page(), url, recording).items():
                    if given.all is None and look not in wanted.get(name, ()):
                        continue
                    show()
                    page.wait_for_function("() => document.fonts.status === 'loaded'")
                    target = given.all or PICTURES
                    target.mkdir(parents=True, exist_ok=True)
                    page.screenshot(
                        path=target / f"{name}-{look}.png", full_page=given.all is not None
                    )
                    print(target / f"{name}-{look}.png", flush=True)
                context.close()
            browser.close()
        finally:
            service.terminate()
            service.wait()


if __name__ == "__main__":
    main()
