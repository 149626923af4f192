"""The page in real Chromium: opened on a service, watched for requests outside and for errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VOICE = Path(__file__).parents[2] / "samples" / "calm-voice.wav"

AXES_STYLE = "sha256-XGW/cX2BkTPWNNT3NdyASrPEWZfPnKdPJaJ2aN7R+v8="
"""The one inline style that axe-core tries to set, which the page's policy forbids."""

PATIENCE = 60_000
"""ms; a machine under load draws slowly."""


@contextmanager
def pages(browser: Any, url: str) -> Iterator[Callable[..., Any]]:
    """Open pages of a service, each with a storage of its own unless told otherwise.

    At the end no request has left the service, and no page has had an error.

    Yields:
        `open(address="", *, dark=False, width=1200, context=None)`, the page once it is drawn.
    """
    contexts: list[Any] = []
    outside: list[str] = []
    errors: list[str] = []

    def watch(page: Any) -> None:
        local = (url, "data:", "blob:", url.replace("http", "ws", 1))
        page.on("request", lambda one: one.url.startswith(local) or outside.append(one.url))
        page.on("websocket", lambda one: one.url.startswith(local) or outside.append(one.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda line: (
                errors.append(line.text)
                if line.type == "error"
                and "Failed to load resource" not in line.text
                and AXES_STYLE not in line.text
                else None
            ),
        )

    def go(address: str = "", *, dark: bool = False, width: int = 1200, context: Any = None) -> Any:
        if context is None:
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme="dark" if dark else "light",
                permissions=["microphone"],
            )
            context.set_default_timeout(PATIENCE)
            contexts.append(context)
        page = context.new_page()
        watch(page)
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
