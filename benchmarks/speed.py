"""Times Sottovoce beside its peers in one run, and prints one table with the targets.

Every contender is a process of its own with one thread; they take turns, so that a slow moment of
the machine falls on all of them. Run it on an idle machine. See benchmarks/README.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from contenders import CONTENDERS, NEEDS

from sottovoce import Audio, SottovoceError
from sottovoce.models.registry import find

ROOT = Path(__file__).resolve().parents[1]
RATE, SECONDS = 16_000, 4
THREADS = ("OMP", "MKL", "OPENBLAS", "NUMBA")
ONE_THREAD = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in THREADS}}
FORBIDDEN = ("torch", "librosa", "sklearn", "pandas")

IMPORT = """
import json, sys, time
start = time.perf_counter()
import sottovoce
middle = time.perf_counter()
sottovoce.load(sys.argv[1] or None)
end = time.perf_counter()
found = [name for name in sys.argv[2:] if name in sys.modules]
print(json.dumps([middle - start, end - start, found]))
"""

MANY = """
import json, os, pathlib, resource, sys, time
model, folder = sys.argv[1:]
paths = sorted(p for p in pathlib.Path(folder).rglob("*")
               if p.suffix.lower() in {".wav", ".flac", ".ogg", ".opus", ".mp3"})
start = time.perf_counter()
import sottovoce
found = [p.status for p in sottovoce.load(model or None).predict_many(paths, workers=2)]
seconds = time.perf_counter() - start
unit = 1 if sys.platform == "darwin" else 1024
peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, peak / 1e6, len(found), found.count("error")]))
"""


@dataclass(frozen=True)
class Row:
    """One figure: the median of `runs` measurements and the quartiles around it."""

    what: str
    unit: str
    values: tuple[float, ...]
    target: float | None = None
    beside: float | None = None
    """Sottovoce's figure, for a peer: the ratio to it is shown."""

    @property
    def median(self) -> float:
        """The figure that counts."""
        return statistics.median(self.values)

    def cells(self) -> list[str]:
        """Give the row as the table shows it."""
        low, high = np.percentile(self.values, (25, 75))
        spread = f"{low:.3g} to {high:.3g}" if len(self.values) > 1 else ""
        verdict = ""
        if self.target is not None:
            passed = "pass" if self.median <= self.target else "FAIL"
            verdict = f"<= {self.target:g}: {passed}"
        ratio = f"{self.median / self.beside:.1f} x" if self.beside else ""
        return [self.what, f"{self.median:.3g} {self.unit}", spread, verdict, ratio]


def main() -> int:
    """Run the command line: 0 if every target was met, 1 if not, 2 if it could not be run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="", help="a model's name or file; the built-in default")
    parser.add_argument("--runs", type=int, default=30, help="times that each contender is run")
    parser.add_argument("--starts", type=int, default=10, help="times that a process is started")
    parser.add_argument("--clip", type=Path, default=ROOT / "samples" / "lively-voice.wav",
                        help="recording to make the 4 s clip from")  # fmt: skip
    parser.add_argument("--data", metavar="ravdess=DIR", help="time predict_many on this corpus")
    parser.add_argument("--install", action="store_true", help="measure an installation (network)")
    parser.add_argument("--peers", nargs="*", choices=[*CONTENDERS][1:], default=[*CONTENDERS][1:])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.data and not options.data.startswith("ravdess="):
        parser.error(f"--data {options.data}: expected ravdess=DIR")
    try:
        return run(options)
    except (SottovoceError, subprocess.CalledProcessError) as error:
        print(f"speed.py: {error}", file=sys.stderr)
        return 2


def run(options: argparse.Namespace) -> int:
    """Measure what the options ask for, show it, and give the exit status."""
    load, megabytes = os.getloadavg()[0], find(options.model or None).stat().st_size / 1e6
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "four-seconds.wav"
        make_clip(options.clip, clip)
        rows, notes = clip_rows(clip, options)
        rows += start_rows(clip, options)
    if options.data:
        rows += many_rows(options.model, options.data.removeprefix("ravdess="), notes)
    rows.append(Row("model file", "MB", (megabytes,), target=10))
    if options.install:
        rows.append(Row("installed listening half", "MB", (installed(),), target=250))
    where = f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    notes = [where, f"load when it began: {load:.2f}{' (busy!)' if load > 0.5 else ''}", *notes]
    show(rows, notes, options.json)
    return int(any(row.target is not None and row.median > row.target for row in rows))


def make_clip(source: Path, path: Path) -> None:
    """Write 4 s at 16 kHz, mono, 16 bit, by repeating a recording; sound from end to end."""
    samples = Audio.read(source, sample_rate=RATE).samples[0]
    whole = np.resize(samples, RATE * SECONDS)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(whole, -1, 1) * 32767).astype("<i2").tobytes())


def clip_rows(clip: Path, options: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """Time one clip in each contender, in turns; give the rows, and who was left out."""
    notes, processes = [], {}
    for name in ["sottovoce", *options.peers]:
        missing = [module for module in NEEDS[name] if not find_spec(module)]
        if missing:
            notes.append(f"{name} left out: {', '.join(missing)} not installed")
            continue
        command = [sys.executable, ROOT / "benchmarks" / "contenders.py", name, clip, options.model]
        processes[name] = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ONE_THREAD, text=True
        )
    times: dict[str, list[float]] = {}
    try:
        for process in processes.values():
            versions = json.loads(_line(process))["versions"]
            notes.append(", ".join(f"{name} {version}" for name, version in versions.items()))
        for _ in range(options.runs):
            for process in processes.values():
                for part, seconds in json.loads(_line(process, "go")).items():
                    times.setdefault(part, []).append(1000 * seconds)
    finally:
        for process in processes.values():
            process.communicate()
    whole, *parts = times
    base = statistics.median(times[whole])
    rows = [Row(f"4 s clip: {whole}", "ms", tuple(times[whole]), target=15)]
    for part in parts:
        peer = ":" in part or "," in part
        rows.append(Row(part if peer else f"- {part}", "ms", tuple(times[part]),
                        beside=base if peer else None))  # fmt: skip
    return rows, notes


def start_rows(clip: Path, options: argparse.Namespace) -> list[Row]:
    """Time whole processes from a warm disk, in turns, and the import alone."""
    sottovoce = Path(sysconfig.get_path("scripts")) / "sottovoce"
    chosen = ["--model", options.model] if options.model else []
    commands = {"sottovoce predict one.wav, whole process": [sottovoce, "predict", clip, *chosen]}
    if "librosa" in options.peers and find_spec("librosa"):
        command = [sys.executable, "-c", "from librosa.feature import mfcc"]  # it loads lazily
        commands["importing librosa.feature.mfcc, whole process"] = command
    imports = [sys.executable, "-c", IMPORT, options.model, *FORBIDDEN]
    times: dict[str, list[float]] = {name: [] for name in [*commands, "import", "load"]}
    for turn in range(options.starts + 1):
        measured = {}
        for name, command in commands.items():
            start = time.perf_counter()
            _output(command)
            measured[name] = time.perf_counter() - start
        measured["import"], measured["load"], found = json.loads(_output(imports))
        if found:
            raise SottovoceError(f"import sottovoce loads {', '.join(found)}")
        for name, seconds in measured.items():
            times[name] += [seconds] if turn else []  # the first turn warms the disk
    first, *others = commands
    rows = [Row(first, "s", tuple(times[first]), target=0.8)]
    rows += [Row(each, "s", tuple(times[each]), beside=rows[0].median) for each in others]
    what = f"import sottovoce (none of {', '.join(FORBIDDEN)} in sys.modules)"
    rows.append(Row(what, "s", tuple(times["import"]), target=0.25))
    return [*rows, Row("- and sottovoce.load(), all imports", "s", tuple(times["load"]))]


def many_rows(model: str, folder: str, notes: list[str]) -> list[Row]:
    """Time predict_many over a folder, and take the peak of its memory."""
    seconds, peak, count, errors = json.loads(_output([sys.executable, "-c", MANY, model, folder]))
    notes.append(f"predict_many: {count} clips, {errors} of them unreadable")
    return [
        Row(f"predict_many, {count} clips, 2 workers", "s", (seconds,), target=30),
        Row("- peak memory", "MB", (peak,), target=500),
    ]


def installed() -> float:
    """Install the listening half into a fresh environment; MB of site-packages, pip included."""
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        python = Path(name) / "bin" / "python"
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", ROOT / "constraints.txt", ROOT], check=True)
        folder = _output([python, "-c", "import sysconfig as s; print(s.get_path('purelib'))"])
        files = [path for path in Path(folder.strip()).rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files) / 1e6


def processor() -> str:
    """Name the processor, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def show(rows: list[Row], notes: list[str], as_json: bool) -> None:
    """Print the table, or JSON."""
    if as_json:
        print(
            json.dumps({"notes": notes, "rows": [asdict(r) | {"median": r.median} for r in rows]})
        )
        return
    header = ["", "median", "quartiles", "target", "of Sottovoce"]
    print("\n".join(notes) + "\n")
    for cells in (header, ["---", *["---:"] * 4], *(row.cells() for row in rows)):
        print(f"| {' | '.join(cells)} |")


def _line(process: "subprocess.Popen[str]", send: str = "") -> str:
    """Send a line, if there is one, and wait for the answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    if send:
        process.stdin.write(f"{send}\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SottovoceError(f"{process.args!r} ended early, see above")
    return line


def _output(command: Sequence[str | Path]) -> str:
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env=ONE_THREAD, text=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
