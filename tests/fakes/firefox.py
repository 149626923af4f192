"""Debian's Firefox, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/)."""

import itertools
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PATIENCE = 60.0
"""s; a machine under load draws slowly."""


class Firefox:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.requests: list[str] = []
        """Addresses that were asked for."""
        self._call("session.new", capabilities={})
        self._call("session.subscribe", events=["network.beforeRequestSent"])
        self._tab = self._call("browsingContext.getTree")["contexts"][0]["context"]

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE))
            if message.get("method") == "network.beforeRequestSent":
                self.requests.append(message["params"]["request"]["url"])
            if message.get("id") == number:
                assert message["type"] == "success", message
                return dict(message["result"])

    def go(self, address: str) -> None:
        """Open an address."""
        self._call("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def evaluate(self, script: str) -> Any:
        """What an expression, or what it promises, comes to: text, a number, true or false."""
        target = {"context": self._tab}
        found = self._call("script.evaluate", expression=script, target=target, awaitPromise=True)
        assert found["type"] == "success", found
        return found["result"].get("value")

    def wait_until(self, condition: str) -> None:
        """Wait for an expression to become true."""
        script = f"""new Promise((resolve) => {{
          const look = () => {{
            if ({condition}) resolve(true);
            else if (performance.now() < {1000 * PATIENCE}) requestAnimationFrame(look);
            else resolve(false);
          }};
          look();
        }})"""
        assert self.evaluate(script), f"never: {condition}"

    def wait_for(self, selector: str) -> str:
        """The text of an element, once it is there."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.wait_until(f"{element} !== null")
        return str(self.evaluate(f"{element}.textContent"))

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input."""
        target = {"context": self._tab}
        script = f"document.querySelector({json.dumps(selector)})"
        found = self._call("script.evaluate", expression=script, target=target, awaitPromise=False)
        element = {"sharedId": found["result"]["sharedId"]}
        self._call("input.setFiles", context=self._tab, element=element, files=[str(path)])


@contextmanager
def firefox(program: str, profile: Path) -> Iterator[Firefox]:
    """Start it with an empty profile, on a port of its own."""
    (profile / "user.js").write_text(
        'user_pref("media.autoplay.default", 0);\nuser_pref("datareporting.policy.'
        'dataSubmissionEnabled", false);\nuser_pref("app.normandy.enabled", false);\n'
    )
    command = [program, "--headless", "--no-remote", "--profile", str(profile)]
    command += ["--remote-debugging-port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        address = next(
            found.group() for line in process.stderr if (found := re.search(r"ws://\S+", line))
        )
        with connect(f"{address}/session", max_size=None) as socket:
            yield Firefox(socket)
    finally:
        process.terminate()
        process.communicate()
