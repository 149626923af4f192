"""The app as people meet it: one server for the session, and Chromium in front of it."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_encoder_model import write_tiny_head
from tiny_model import write_tiny

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "app"
"""Screenshots of the last run; ignored by git."""


class Server:
    """`sottovoce app` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.models.mkdir()
        write_tiny(self.models / "tiny.onnx")
        write_tiny_head(self.models / "standing.onnx")
        (self.models / "broken.onnx").write_bytes(b"no model at all")
        self.corrections = folder / "corrections"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log.txt"
        command = [sys.executable, "-c", "from sottovoce.cli import main; main()", "app"]
        command += ["--no-browser", "--port", str(self.port), "--models", str(self.models)]
        command += ["--corrections", str(self.corrections)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, env=os.environ | {"HOME": str(folder)}
            )

    def wait(self) -> None:
        for _ in range(300):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        pytest.fail(f"the app does not start: {self.log.read_text()}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("streamlit", reason="the app needs the extra app")
    started = Server(tmp_path_factory.mktemp("app"))
    try:
        started.wait()
        yield started
    finally:
        started.process.terminate()
        try:
            started.process.wait(10)
        except subprocess.TimeoutExpired:
            started.process.kill()
            started.process.wait()


@pytest.fixture
def shoot() -> Callable[[Any, str], None]:
    """Keep a screenshot of a page as it is now."""

    def keep(page: Any, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        plain = re.sub(r"\W+", "-", name).strip("-")
        page.screenshot(path=SHOTS / f"{plain}.png")

    return keep


@pytest.fixture
def visit(
    server: Server, browser: Any, shoot: Callable[..., None], request: pytest.FixtureRequest
) -> Iterator[Callable[..., Any]]:
    """Open a page of the app; afterwards keep a screenshot, and see that nothing went outside."""
    pages: list[Any] = []
    outside: list[str] = []

    def local(url: str) -> bool:
        return url.startswith((server.url, "data:", "blob:"))

    def go(page: str = "", *, dark: bool = False, width: int = 1200, height: int = 1500) -> Any:
        opened = browser.new_page()
        pages.append(opened)
        opened.set_viewport_size({"width": width, "height": height})
        opened.emulate_media(color_scheme="dark" if dark else "light")
        opened.on("request", lambda one: None if local(one.url) else outside.append(one.url))
        opened.goto(f"{server.url}/{page}")
        opened.get_by_role("heading", level=1).wait_for()
        return opened

    yield go
    for number, page in enumerate(pages):
        shoot(page, f"{request.node.name.removeprefix('test_')} {number or ''}")
        page.close()
    assert outside == []
    assert "Traceback" not in server.log.read_text()
