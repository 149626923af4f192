"""Attacks a service of its own on this machine, and measures what a key holder notices.

Everything stays on the loopback and is bounded. The attackers share the machine with the service,
so look at the ratios. The attacks, each by clients without a key unless it says otherwise:

- `long configs`: eight WebSockets, each sending first messages of 4 MB of unknown fields
- `idle sockets`: 64 WebSockets that send nothing, opened again when they are closed
- `slow bodies`: 128 requests whose bodies come a byte at a time
- `hung store`: the database is locked, while 40 clients at a time ask for `/readyz`
- `bombs`: the holder of another key sends forms of 64 FLACs of ten minutes of silence, and leaves
- `wide bombs`: the same with timelines of FLACs of eight channels and two hours, followed apart
"""

import argparse
import asyncio
import contextlib
import io
import json
import multiprocessing
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
from service import Row, resident, show
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

HOLDER, OTHER = "holder-0123456789abcdef", "other-0123456789abcdef"
VOICE = Path(__file__).resolve().parents[1] / "samples" / "lively-voice.wav"
TIMES, WORST, MEMORY = 3.0, 5.0, 400.0
"""A key holder's median against that of quiet, the slowest answer in s, and MB of the service."""

PAUSE = 1.0
"""s after which a client that was turned away comes again."""
HUNG = "hung store"
NAMES = ("long configs", "idle sockets", "slow bodies", HUNG, "bombs", "wide bombs")

Attack = Callable[[], Awaitable[None]]


class Target:
    """A service as a process, with two keys and a store."""

    def __init__(self, folder: Path, model: str) -> None:
        self.store = folder / "results.db"
        keys = folder / "keys.txt"
        keys.write_text(f"{HOLDER}\n{OTHER}\n")
        command = [sys.executable, "-c", "from sottovoce.cli import main; main()", "serve"]
        options = ["--port", "0", "--keys", str(keys), "--quiet"]
        options += ["--store", f"sqlite:///{self.store}", *(["--model", model] if model else [])]
        self._process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        )
        self.pid = self._process.pid
        self.url = self._process.stdout.readline().split()[-1]
        self.stream = f"ws{self.url.removeprefix('http')}/v1/stream"
        self.address = self.url.removeprefix("http://").split(":")

    def end(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()

    def __getstate__(self) -> dict[str, Any]:
        """What another process may know."""
        return {name: value for name, value in vars(self).items() if name != "_process"}


def attacks(target: Target) -> dict[str, list[Attack]]:
    """Name -> what its clients do, again and again."""
    config = {f"field {n}": n for n in range(200_000)}
    long = json.dumps({"type": "config", "sample_rate": 16_000} | config)[:3_900_000]

    async def long_config() -> None:
        async with connect(target.stream, compression=None) as socket:
            while True:
                await socket.send(long)
                await socket.recv()

    async def idle_socket() -> None:
        async with connect(target.stream, compression=None) as socket:
            await socket.wait_closed()

    async def slow_body() -> None:
        reader, writer = await asyncio.open_connection(*target.address)
        head = "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
        writer.write(head.encode())
        with contextlib.closing(writer):
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)
                await asyncio.wait_for(reader.read(1000), 60)

    async def ready() -> None:
        async with httpx.AsyncClient(timeout=30, verify=False) as client:  # noqa: S501
            while True:
                await client.get(f"{target.url}/readyz")

    def bomb(path: str, content: bytes, count: int) -> Attack:
        files = [("file", content)] * count

        async def send() -> None:
            headers = {"X-API-Key": OTHER}
            async with httpx.AsyncClient(timeout=2, verify=False) as client:  # noqa: S501
                await client.post(target.url + path, files=files, headers=headers)

        return send

    silence, wide = flac(600 * 16_000, 1), flac(7200 * 8000, 8)
    return {
        "long configs": [long_config] * 8,
        "idle sockets": [idle_socket] * 64,
        "slow bodies": [slow_body] * 128,
        HUNG: [ready] * 40,
        "bombs": [bomb("/v1/predict", silence, 64)] * 2,
        "wide bombs": [bomb("/v1/timeline?channels=split&hop=0.1", wide, 1)] * 2,
    }


def flac(samples: int, channels: int) -> bytes:
    """Silence in a few bytes."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8000 if channels > 1 else 16_000, channels,
                             format="FLAC") as out:  # fmt: skip
        block = np.zeros((1_000_000, channels), np.int16)
        for start in range(0, samples, len(block)):
            out.write(block[: samples - start])
    return file.getvalue()


async def again(attack: Attack) -> None:
    """Attack until it is cancelled, whatever comes of it."""
    while True:
        with contextlib.suppress(OSError, WebSocketException, httpx.HTTPError, TimeoutError):
            await attack()
        await asyncio.sleep(PAUSE)


def attackers(target: Target, name: str, ready: Any) -> None:
    """Attack until the process is ended."""
    clients = attacks(target)[name]

    async def run() -> None:
        ready.set()
        await asyncio.gather(*map(again, clients))

    asyncio.run(run())


async def holder(target: Target, seconds: float) -> tuple[list[float], int, float]:
    """What a key holder sees: s of each answer, how many failed, and MB of the service at most."""
    content, headers = VOICE.read_bytes(), {"X-API-Key": HOLDER}
    taken, failed, memory = [], 0, 0.0
    async with httpx.AsyncClient(timeout=60, verify=False) as client:  # noqa: S501
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.monotonic()
            url = f"{target.url}/v1/predict"
            response = await client.post(url, content=content, headers=headers)
            taken.append(time.monotonic() - begun)
            failed += not response.is_success
            memory = max(memory, resident(target.pid))
    return taken, failed, memory


def under(target: Target, name: str, seconds: float) -> tuple[list[float], int, float]:
    """Measure a key holder's answers during an attack, which comes from another process."""
    processes = multiprocessing.get_context("spawn")
    ready = processes.Event()
    attacker = processes.Process(target=attackers, args=(target, name, ready), daemon=True)
    attacker.start()
    ready.wait(30)
    time.sleep(PAUSE)
    with contextlib.closing(sqlite3.connect(target.store, isolation_level=None)) as other:
        try:
            if name == HUNG:
                other.execute("begin immediate")
                asyncio.run(holder(target, 0.1))  # the first write waits for it, once
            return asyncio.run(holder(target, seconds))
        finally:
            attacker.kill()
            attacker.join()
            if name == HUNG:
                other.execute("rollback")


def measure(target: Target, seconds: float, names: list[str]) -> list[Row]:
    """Every attack in turn, after quiet."""
    asyncio.run(holder(target, 1))
    quiet, failed, _ = asyncio.run(holder(target, seconds))
    usual = statistics.median(quiet)
    rows = [Row("quiet: median", 1000 * usual, "ms"), Row("- errors", failed, "", most=0)]
    for name in names or NAMES:
        taken, failed, memory = under(target, name, seconds)
        rows += [
            Row(f"{name}: median", 1000 * statistics.median(taken), "ms"),
            Row("- times that of quiet", statistics.median(taken) / usual, "", most=TIMES),
            Row("- the slowest answer", max(taken), "s", most=WORST),
            Row("- errors", failed, "", most=0),
            Row("- memory of the service", memory, "MB", most=MEMORY),
        ]
    time.sleep(5)
    rows.append(Row("memory that stays", resident(target.pid), "MB"))
    return rows


def main() -> int:
    """Run the command line: 0 if every target was met, 1 if not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="", help="a model's name or file; the built-in default")
    parser.add_argument("--seconds", type=float, default=8, help="of each attack")
    parser.add_argument("--only", action="append", default=[], choices=NAMES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        target = Target(Path(folder), arguments.model)
        try:
            rows = measure(target, arguments.seconds, arguments.only)
        finally:
            target.end()
    show(rows, [], as_json=False)
    return int(any(row.missed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
