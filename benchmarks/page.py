"""How long a person waits for the page, in real Chromium, beside what was promised.

    python benchmarks/page.py [--runs 5]

It serves the built-in model on this machine and drives the page with the synthesised voices in
samples/: first load and what is transferred, a 4 s clip from drop to verdict and lane, ten minutes
to the first lane and the last, a click to sound, a threshold to relabelled stretches; then the
memory of the service over 30 uploads and six ten-minute sessions. Medians of some runs. It needs
the extra `app`, `make page`, Playwright and Chromium, and a quiet machine.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import soundfile
from playwright.sync_api import sync_playwright

import sottovoce

ROOT = Path(__file__).resolve().parents[1]
VOICES = [ROOT / "samples" / f"{name}-voice.wav" for name in ("calm", "lively", "stern")]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--autoplay-policy=no-user-gesture-required",
)
TEN_MINUTES = 600.0
LOADS = 11
"""First loads at least: they are short, and differ more than the rest."""


def recording(folder: Path, seconds: float, number: int = 0) -> Path:
    """The voices in turn for so long; `number` makes its bytes others."""
    rate = 16_000
    turn = np.concatenate([sottovoce.Audio.read(v, sample_rate=rate).samples[0] for v in VOICES])
    samples = np.resize(np.roll(turn, 1000 * number), round(seconds * rate))
    path = folder / f"{seconds:g}-{number}.wav"
    soundfile.write(path, samples, rate)
    return path


# The page looks for itself: its driver asks now and then, late while the processor is busy.
SEEN = """(selectors) => {
  const seen = (selector) => new Promise((resolve) => {
    const look = () => {
      if (!document.querySelector(selector)) return;
      watcher.disconnect();
      const drawn = () => resolve((performance.timeOrigin + performance.now()) / 1000);
      requestAnimationFrame(() => setTimeout(drawn));
    };
    const watcher = new MutationObserver(look);
    watcher.observe(document, { childList: true, subtree: true });
  });
  window.__seen = Promise.all(selectors.map(seen));
}"""


def upload(page: Any, url: str, path: Path, *selectors: str) -> list[float]:
    """Choose a file on the first page; s until each of these was drawn."""
    page.goto(f"{url}/#/")
    page.locator("input[type=file]").first.wait_for(state="attached")
    page.evaluate(SEEN, selectors)
    start = time.time()
    page.locator("input[type=file]").first.set_input_files(str(path))
    return [at - start for at in page.evaluate("window.__seen")]


def service_alone(url: str, path: Path) -> float:
    """The timeline of a recording, asked for without a page, s."""
    start = time.perf_counter()
    with path.open("rb") as sound:
        httpx.post(f"{url}/v1/timeline", files={"file": sound}, timeout=120).raise_for_status()
    return time.perf_counter() - start


def first_load(browser: Any, url: str) -> tuple[float, float, int]:
    """Until the first page is drawn, s; what was transferred, kB; in how many requests."""
    context = browser.new_context()
    context.add_init_script(f"({SEEN})(['.hero'])")
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    received = [0.0, 0]

    def count(event: dict[str, Any]) -> None:
        received[0] += event["encodedDataLength"]
        received[1] += 1

    session.on("Network.loadingFinished", count)
    page.goto(url)
    took = page.evaluate("window.__seen.then(([at]) => at - performance.timeOrigin / 1000)")
    page.wait_for_load_state("networkidle")
    context.close()
    return took, received[0] / 1000, int(received[1])


SOUND_AFTER_CLICK = """() => new Promise((resolve) => {
  const block = document.querySelectorAll(".block.ok, .block.uncertain")[1];
  for (const audio of window.__audio) audio.pause();
  let start;
  const heard = () => resolve(performance.now() - start);
  for (const audio of window.__audio) audio.addEventListener("playing", heard, { once: true });
  setTimeout(() => resolve(NaN), 5000);
  start = performance.now();
  block.click();
})"""

RELABEL = """() => new Promise((resolve) => {
  const slider = document.getElementById("least");
  slider.value = slider.value > 0.6 ? 0.2 : 0.9;
  const start = performance.now();
  slider.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
})"""

KEEP_AUDIO = """const make = document.createElement.bind(document);
window.__audio = [];
document.createElement = (name, ...more) => {
  const made = make(name, ...more);
  if (name === "audio") window.__audio.push(made);
  return made;
};"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    print("| | measured | promised |\n|---|---|---|")
    command = [sys.executable, "-c", "from sottovoce.cli import main; main()", "app"]
    command += ["--no-browser", "--port", "0", "--model", "sottovoce-small"]
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        service = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert service.stdout is not None
            url = service.stdout.readline().split()[-1]
            path = shutil.which("chromium") or shutil.which("chromium-browser")
            browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
            loads = [first_load(browser, url) for _ in range(max(LOADS, given.runs))]
            took = statistics.median(load[0] for load in loads)
            row(("first load", f"{took:.2f} s", "0.5 s"))
            row(("transferred", f"{loads[0][1]:.0f} kB, {loads[0][2]} requests", "250 kB"))
            context = browser.new_context()
            context.set_default_timeout(120_000)
            context.add_init_script(KEEP_AUDIO)
            page = context.new_page()
            page.goto(url)
            waits = []
            for run in range(given.runs):
                clip = recording(folder, 4.0, run)
                waits.append(max(upload(page, url, clip, ".answer .emotion", ".track .block")))
            row(("4 s, drop to verdict and lane", f"{statistics.median(waits):.2f} s", "0.4 s"))
            firsts, lasts = [], []
            for run in range(min(3, given.runs)):
                long = recording(folder, TEN_MINUTES, run)
                first, last = upload(page, url, long, ".track .block", ".stretches li")
                firsts.append(first)
                lasts.append(last)
            row(("10 min, first lane", f"{statistics.median(firsts):.2f} s", "1 s"))
            row(("10 min, last lane", f"{statistics.median(lasts):.2f} s", "7 s"))
            alone = [service_alone(url, long) for _ in lasts]
            row(("10 min, the service alone", f"{statistics.median(alone):.2f} s", ""))
            clicks = [page.evaluate(SOUND_AFTER_CLICK) for _ in range(given.runs)]
            row(("click to sound", f"{statistics.median(clicks):.0f} ms", "100 ms"))
            labels = [page.evaluate(RELABEL) for _ in range(given.runs)]
            row(("threshold to relabelled, 10 min", f"{statistics.median(labels):.0f} ms", "50 ms"))
            process = psutil.Process(service.pid)
            for number in range(30):
                upload(page, url, recording(folder, 4.0, 100 + number), ".answer .emotion")
            after = process.memory_info().rss / 1e6
            for number in range(6):
                upload(page, url, recording(folder, TEN_MINUTES, 100 + number), ".stretches li")
            end = process.memory_info().rss / 1e6
            row(
                (
                    "service's memory: 30 uploads, then six of 10 min",
                    f"{after:.0f}, {end:.0f} MB",
                    "350 MB",
                )
            )
            browser.close()
        finally:
            service.terminate()
            service.wait()


def row(cells: tuple[str, str, str]) -> None:
    """Print a row of the table."""
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
