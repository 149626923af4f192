"""Services for tests: real servers on real sockets, in a thread or as a process."""

import io
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import soundfile
from tiny_model import VOICE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from sottovoce.serve import Limits, Settings, create_app
from sottovoce.serve.server import Server, bind
from sottovoce.serve.service import Service

PREDICT = "/v1/predict"
WAV = VOICE.read_bytes()


@dataclass
class RunningService:
    """A service on a socket of its own, in a thread."""

    url: str
    service: Service
    server: Server
    thread: threading.Thread

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def raw(self, request: bytes) -> bytes:
        """The response to bytes sent as they are."""
        with socket.create_connection(self.address, timeout=10) as connection:
            connection.sendall(request)
            return read_answer(connection)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


def read_answer(connection: socket.socket) -> bytes:
    """One whole response of HTTP/1.1, or what came of it before the server closed."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        if not (piece := connection.recv(65536)):
            return answer
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
    while len(body) < length and (piece := connection.recv(65536)):
        body += piece
    return head + b"\r\n\r\n" + body


@contextmanager
def run_service(model: Path | None, *more: Path, **settings: object) -> Iterator[RunningService]:
    """A service in a thread, with a model's file or the built-in one, and the files of more."""
    limits = Limits(**settings.pop("limits", {}))  # type: ignore[arg-type]
    names = (None if model is None else str(model), *map(str, more))
    app = create_app(Settings(models=names, limits=limits, **settings))  # type: ignore[arg-type]
    listener = bind("127.0.0.1", 0)
    server = Server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    running = RunningService(url, app.state.service, server, thread)
    try:
        yield running
    finally:
        running.stop()


class Process:
    """`sottovoce serve` as a process of its own."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        command = [sys.executable, "-c", "from sottovoce.cli import main; main()", "serve"]
        self.process = subprocess.Popen(
            [*command, "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", **environment},
        )
        line = self.process.stdout.readline()
        assert line.startswith("Sottovoce listens on "), self.process.communicate()[1]
        self.url = line.split()[-1]
        until(self.answers)

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            return get(f"{self.url}/healthz").is_success
        except httpx.HTTPError:
            return False

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit status and what was written to stderr."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=30)
        return self.process.returncode, log


def send(method: str, url: str, **request: object) -> httpx.Response:
    """What a service answers; certificates, which take long to load, are not needed here."""
    return httpx.request(method, url, verify=False, timeout=30, **request)  # noqa: S501


def get(url: str, **request: object) -> httpx.Response:
    return send("GET", url, **request)


def post(url: str, **request: object) -> httpx.Response:
    return send("POST", url, **request)


def until(condition, seconds: float = 30.0) -> None:
    """Wait until a condition holds; a test fails where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(0.01)


def is_closed(connection: socket.socket, seconds: float = 0.0) -> bool:
    """Whether the server closes a connection within so many seconds; what it sends is left out."""
    deadline = time.monotonic() + seconds
    while select.select([connection], [], [], max(0.0, deadline - time.monotonic()))[0]:
        try:
            if not connection.recv(65536):
                return True
        except OSError:
            return True
    return False


def sound(samples: np.ndarray, rate: int = 16_000, kind: str = "WAV", subtype: str | None = None):
    """The bytes of a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def form(*files: bytes, boundary: bytes = b"cut", names: tuple[bytes, ...] = ()) -> bytes:
    """A multipart body by hand."""
    names = names or tuple(b"%d.wav" % n for n in range(len(files)))
    parts = [
        b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n%b\r\n'
        % (boundary, name, content)
        for name, content in zip(names, files, strict=True)
    ]
    return b"".join(parts) + b"--%b--\r\n" % boundary


def raw_post(path: str, body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """A request by hand."""
    head = [
        b"POST %b HTTP/1.1" % path.encode(),
        b"Host: localhost",
        b"Content-Length: %d" % (len(body) if length is None else length),
        *headers,
    ]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def status_of(answer: bytes) -> int:
    return int(answer.split(maxsplit=2)[1])


FINISH = json.dumps({"type": "finish"})


def address(served):
    return f"ws{served.url.removeprefix('http')}/v1/stream"


def rest(socket: ClientConnection) -> list[dict]:
    """All further messages until the server closes."""
    messages = []
    try:
        while True:
            messages.append(json.loads(socket.recv(timeout=20)))
    except ConnectionClosed:
        return messages
