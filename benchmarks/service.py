"""Loads a service on this machine, and prints one table with the targets.

Short clips from many clients, many streams in real time, and broken recordings: bounded in count
and in time. The clients share the machine with the service. Run it on an idle machine.
"""

import argparse
import asyncio
import contextlib
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from mutated import mutated, originals
from websockets.asyncio.client import connect

from sottovoce import Audio

ROOT = Path(__file__).resolve().parents[1]
RATE, SECONDS = 16_000, 3
FRAME = RATE // 10
"""Samples of a stream that are sent at a time."""
WARM = 0.1
"""Share of the requests after which memory should be flat."""
SAMPLED = 25
"""Requests from one look at the memory to the next."""


@dataclass(frozen=True)
class Row:
    """One figure, and what it must be."""

    what: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def missed(self) -> bool:
        """Whether the target was missed."""
        too_low = self.least is not None and self.value < self.least
        return too_low or (self.most is not None and not self.value <= self.most)

    def cells(self) -> list[str]:
        """Give the row as the table shows it."""
        target = f">= {self.least:g}" if self.least is not None else ""
        target = f"<= {self.most:g}" if self.most is not None else target
        verdict = ("FAIL" if self.missed else "pass") if target else ""
        return [self.what, f"{self.value:.4g} {self.unit}".strip(), target, verdict]


@dataclass
class Load:
    """What came of many requests."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    memory: list[tuple[int, float]] = field(default_factory=list)
    """Requests so far, and MB of the service then."""


def main() -> int:
    """Run the command line: 0 if every target was met, 1 if not, 2 if it could not be run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="", help="a model's name or file; the built-in default")
    parser.add_argument("--seconds", type=float, default=60, help="of requests, for their rate")
    parser.add_argument("--requests", type=int, default=20_000, help="in all, for the memory")
    parser.add_argument("--limit", type=float, default=600, help="s that these may take at most")
    parser.add_argument("--clients", type=int, default=32, help="that ask at a time")
    parser.add_argument("--streams", type=int, default=50, help="at a time")
    parser.add_argument("--stream-seconds", type=float, default=60, help="of audio in each")
    parser.add_argument("--mutations", type=int, default=1000, help="broken recordings")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with service(options) as (address, process):
        rows = asyncio.run(measure(options, address, process))
        if process.poll() is not None:
            print("service.py: the service ended early", file=sys.stderr)
            return 2
    notes = [
        f"{os.cpu_count()} cores, Python {platform.python_version()}",
        f"load when it began: {load:.2f}{' (busy!)' if load > 0.5 else ''}",
    ]
    show(rows, notes, options.json)
    return int(any(row.missed for row in rows))


@contextlib.contextmanager
def service(options: argparse.Namespace):
    """Start `sottovoce serve` for as long as it is needed: host and port, and its process."""
    command = [sys.executable, "-c", "from sottovoce.cli import main; main()", "serve", "--quiet"]
    streams = ["--max-streams", str(max(1, options.streams)), "--port", "0"]
    chosen = ["--model", options.model] if options.model else []
    log = tempfile.TemporaryFile()  # noqa: SIM115 - decoders write of broken recordings there
    process = subprocess.Popen(
        [*command, *streams, *chosen], stdout=subprocess.PIPE, stderr=log, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        line = process.stdout.readline().split()
        if not line:
            log.seek(0)
            print(f"service.py: {log.read().decode()}", file=sys.stderr)
            raise SystemExit(2)
        host, _, port = line[-1].removeprefix("http://").partition(":")
        yield (host, int(port)), process
    finally:
        process.terminate()
        process.wait(60)
        log.close()


async def measure(options: argparse.Namespace, address, process) -> list[Row]:
    """All parts, one after another."""
    rows = await clip_rows(options, address, process.pid)
    if options.streams:
        rows += await stream_rows(options, address)
    if options.mutations:
        rows.append(await mutation_row(options, address))
    return rows


async def clip_rows(options: argparse.Namespace, address, pid: int) -> list[Row]:
    """Clips from many clients: first for the rate, then for the memory."""
    requests = [request_of(clip) for clip in clips()]
    load, begun = Load(), time.perf_counter()
    until = begun + options.limit
    rate = 0.0

    async def client(number: int) -> None:
        nonlocal rate
        reader, writer = await asyncio.open_connection(*address)
        while len(load.seconds) + load.errors < options.requests and time.perf_counter() < until:
            number += 1
            start = time.perf_counter()
            status = await ask(reader, writer, requests[number % len(requests)])
            end = time.perf_counter()
            load.errors += status != 200
            load.seconds.append(end - start)
            if end - begun <= options.seconds:
                rate = len(load.seconds) / (end - begun)
            if len(load.seconds) % SAMPLED == 0:
                load.memory.append((len(load.seconds), resident(pid)))
        writer.close()

    await asyncio.gather(*(client(number) for number in range(options.clients)))
    done = len(load.seconds)
    early = [size for count, size in load.memory if count <= WARM * done]
    late = [size for count, size in load.memory if count > (1 - WARM) * done]
    milliseconds = 1000 * np.percentile(load.seconds, (50, 99))
    what = f"{SECONDS} s wav clips, {options.clients} clients"
    growth = 100 * (max(late) / max(early) - 1) if early and late else np.nan
    return [
        Row(f"{what}, {min(options.seconds, time.perf_counter() - begun):.0f} s", rate, "a second",
            least=50),
        Row("- median", milliseconds[0], "ms"),
        Row("- p99", milliseconds[1], "ms", most=1500),
        Row("- errors", load.errors, "", most=0),
        Row(f"- memory of the service after {done} requests", max(late, default=0), "MB"),
        Row(f"- its growth since the first {WARM:.0%}", growth, "%", most=5),
    ]  # fmt: skip


async def stream_rows(options: argparse.Namespace, address) -> list[Row]:
    """Streams in real time: how long after its end a segment is told, and at the end of all."""
    samples = np.resize(np.concatenate([read("lively-voice"), read("calm-voice")]),
                        round(options.stream_seconds * RATE))  # fmt: skip
    frames = [
        np.clip(samples[i : i + FRAME] * 32767, -32768, 32767).astype("<i2").tobytes()
        for i in range(0, samples.size, FRAME)
    ]
    late: list[float] = []
    last: list[float] = []
    config = json.dumps({"type": "config", "sample_rate": RATE})

    async def stream(number: int) -> None:
        await asyncio.sleep(number / options.streams)  # they do not all begin at once
        url = f"ws://{address[0]}:{address[1]}/v1/stream"
        async with connect(url, compression=None) as socket:
            await socket.send(config)
            await socket.recv()
            begun = time.perf_counter()

            async def speak() -> None:
                for place, frame in enumerate(frames, 1):
                    await asyncio.sleep(begun + place * FRAME / RATE - time.perf_counter())
                    await socket.send(frame)
                await socket.send('{"type": "finish"}')

            speaking = asyncio.create_task(speak())
            async for text in socket:
                message, now = json.loads(text), time.perf_counter() - begun
                if message["type"] == "measurement":
                    late.append(now - message["end"])
                elif message["type"] == "finished":
                    last.append(now - samples.size / RATE)
            await speaking

    async with asyncio.timeout(3 * options.stream_seconds + 60):
        await asyncio.gather(*(stream(number) for number in range(options.streams)))
    what = f"{options.streams} streams in real time, {options.stream_seconds:.0f} s each"
    return [
        Row(
            f"{what}: p99 from a segment's end to its label", np.percentile(late, 99), "s", most=1.5
        ),
        Row("- the latest label", max(late), "s"),
        Row("- from the last sample to the summary, the latest", max(last), "s", most=1.5),
    ]


async def mutation_row(options: argparse.Namespace, address) -> Row:
    """Broken recordings: each must be answered with 200, 413 or 422."""
    whole, wrong = originals(), 0
    reader, writer = await asyncio.open_connection(*address)
    for number in range(options.mutations):
        content = mutated(whole, number)
        try:
            wrong += await ask(reader, writer, request_of(content)) not in (200, 413, 422)
        except (
            ConnectionError,
            asyncio.IncompleteReadError,
        ):  # it closes one after an error of its own
            reader, writer = await asyncio.open_connection(*address)
    writer.close()
    return Row(f"{options.mutations} broken recordings: answered wrongly", wrong, "", most=0)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send a request and wait for the whole answer; its status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head.split(maxsplit=2)[1])


def request_of(content: bytes) -> bytes:
    """A request with a recording as its body."""
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def clips() -> list[bytes]:
    """Some clips that differ, as wav files of 16 bit."""
    found = []
    for name in ("lively-voice", "calm-voice", "stern-voice"):
        samples = read(name)
        for shift in (0, RATE // 2, RATE):
            file = io.BytesIO()
            clip = np.resize(np.roll(samples, -shift), SECONDS * RATE)
            soundfile.write(file, clip, RATE, format="WAV", subtype="PCM_16")
            found.append(file.getvalue())
    return found


def read(name: str) -> np.ndarray:
    """Samples of one of the recordings of the repository."""
    return Audio.read(ROOT / "samples" / f"{name}.wav", sample_rate=RATE).samples[0]


def resident(pid: int) -> float:
    """MB of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def show(rows: list[Row], notes: list[str], as_json: bool) -> None:
    """Print the table, or JSON."""
    if as_json:
        kept = [{"what": row.what, "value": float(row.value), "missed": row.missed} for row in rows]
        print(json.dumps({"notes": notes, "rows": kept}))
        return
    print("\n".join(notes) + "\n")
    for cells in (["", "value", "target", ""], ["---", "---:", "---:", "---"],
                  *(row.cells() for row in rows)):  # fmt: skip
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(main())
