"""How long a person waits for the app: from the click on Predict until every picture is drawn.

    python benchmarks/app.py [--runs 7]

It starts `sottovoce app` on this machine, opens it in Chromium, uploads 4 s of speech, and takes
the median of a few clicks, each in a new session; the first, in which the browser loads the app, is
told apart. It needs the extra `app`, Playwright and Chromium.
"""

import argparse
import io
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sottovoce.audio import Audio

VOICE = Path(__file__).parents[1] / "samples" / "lively-voice.wav"
SECONDS = 4.0
PATIENCE = 60.0
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DRAWN = """() => {
  const charts = [...document.querySelectorAll('[data-testid=stVegaLiteChart] svg')];
  return charts.length >= 3 && document.querySelector('[data-testid=stVegaLiteChart] image')
    && [...document.querySelectorAll('button')].some(one => one.innerText.includes('JSON'));
}"""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="How long a person waits for the app.")
    parser.add_argument("--runs", type=int, default=7, help="clicks, 1 to 50")
    runs = min(50, max(1, parser.parse_args().runs))
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium is not installed: apt-get install -y chromium")
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        code = "from sottovoce.cli import main; main()"
        command = [sys.executable, "-c", code, "app", "--no-browser", "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            _wait(port)
            times = _measure(chromium, f"http://127.0.0.1:{port}", runs)
        finally:
            process.terminate()
            process.wait(10)
    first, rest = times[0], times[1:] or times
    print("| from click on Predict to the picture, 4 s clip | s |\n|---|---|")
    print(f"| median of {len(rest)} sessions | {statistics.median(rest):.2f} |")
    print(f"| slowest of them | {max(rest):.2f} |")
    print(f"| the very first, server and browser cold | {first:.2f} |")


def clip() -> bytes:
    """Four seconds of speech, as a WAV file."""
    voice = Audio.read(VOICE).samples[0]
    rate = Audio.read(VOICE).sample_rate
    file = io.BytesIO()
    soundfile.write(file, np.resize(voice, round(SECONDS * rate)), rate, format="WAV")
    return file.getvalue()


def _measure(chromium: str, url: str, runs: int) -> list[float]:
    from playwright.sync_api import sync_playwright

    data = {"name": "clip.wav", "mimeType": "audio/wav", "buffer": clip()}
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=list(FLAGS))
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        context.set_default_timeout(1000 * PATIENCE)
        times = [_click(context, url, data) for _ in range(runs + 1)]
        browser.close()
    return times


def _click(context: Any, url: str, data: dict[str, Any]) -> float:
    page = context.new_page()
    page.goto(url)
    page.locator("input[type=file]").set_input_files(data)
    page.locator("[data-testid=stVegaLiteChart] image").wait_for(state="attached")
    page.wait_for_timeout(500)
    start = time.perf_counter()
    page.get_by_role("button", name="Predict").click()
    page.wait_for_function(DRAWN)
    taken = time.perf_counter() - start
    page.close()
    return taken


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(port: int) -> None:
    for _ in range(round(PATIENCE / 0.2)):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    sys.exit("the app does not start")


if __name__ == "__main__":
    main()
