"""The page in real Chromium: opened on a service, watched for requests outside and for errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import sottovoce

RATE = 22_050
VOICE = Path(__file__).parents[2] / "samples" / "calm-voice.wav"

PATIENCE = 60_000
"""ms; a machine under load draws slowly."""


@contextmanager
def pages(browser: Any, url: str) -> Iterator[Callable[..., Any]]:
    """Open pages of a service, each with a storage of its own unless told otherwise.

    At the end no request has left the service, and no page has had an error.

    Yields:
        `open(address="", *, before="", context=None, **settings)`, the page once it is drawn. A
        script `before` runs ahead of the page's own; `settings` are Playwright's of a context.
    """
    contexts: list[Any] = []
    outside: list[str] = []
    errors: list[str] = []

    def watch(page: Any) -> None:
        local = (url, "data:", "blob:", "file:", url.replace("http", "ws", 1))
        page.on("request", lambda one: one.url.startswith(local) or outside.append(one.url))
        page.on("websocket", lambda one: one.url.startswith(local) or outside.append(one.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        refused = ("Failed to load resource", "Unexpected response code")
        page.on(
            "console",
            lambda line: (
                errors.append(line.text)
                if line.type == "error" and not any(text in line.text for text in refused)
                else None
            ),
        )

    def go(address: str = "", *, before: str = "", context: Any = None, **settings: Any) -> Any:
        if context is None:
            usual = {"viewport": {"width": 1200, "height": 900}, "permissions": ["microphone"]}
            context = browser.new_context(**usual | settings)
            context.set_default_timeout(PATIENCE)
            contexts.append(context)
        page = context.new_page()
        watch(page)
        if before:
            page.add_init_script(before)
        page.goto(f"{url}/{address}")
        page.locator("main > *").first.wait_for()
        return page

    yield go
    for context in contexts:
        context.close()
    assert not outside, outside
    assert not errors, errors


def upload(page: Any, *files: Path | dict[str, Any]) -> None:
    """Choose files on the first page; `{"name", "mimeType", "buffer"}` for one made in a test."""
    page.locator("input[type=file]").set_input_files(
        [str(file) if isinstance(file, Path) else file for file in files]
    )


def long_recording(folder: Path, name: str = "long.wav") -> Path:
    """Two voices in turn, with a pause: 20 s or so."""
    calm, lively = (
        sottovoce.Audio.read(VOICE.with_name(f"{name}-voice.wav"), sample_rate=RATE).samples[0]
        for name in ("calm", "lively")
    )
    gap = np.zeros(2 * RATE, np.float32)
    soundfile.write(folder / name, np.concatenate([calm, lively, gap, calm, lively]), RATE)
    return folder / name
