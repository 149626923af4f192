"""Emotion over time: how fast, in how much memory, how late, and what smoothing does to the labels.

    python benchmarks/timeline.py --data ravdess=DIR --data tess=DIR

Recordings are made of a corpus's clips with pauses between them. Prints one table a question; the
exit status is 1 when a target is missed. Run it on an idle machine. See docs/timeline.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from speed import ONE_THREAD, processor

from sottovoce import Audio, Segment, SottovoceError, load
from sottovoce.learn.corpora import Clip, listing
from sottovoce.vad.gate import Gate

RATE = 16_000
WORKERS = 2
PIECE = 0.02
"""s that a microphone gives at once."""
SHOWN = 0.1
"""s, the raster on which labels are held against the truth."""

FOLLOW = """
import json, pathlib, resource, sys, time
start = time.perf_counter()
import sottovoce
model, path, workers = sys.argv[1:]
segments = sum(1 for _ in sottovoce.load(model or None).timeline(path, workers=int(workers)))
seconds = time.perf_counter() - start
status = pathlib.Path("/proc/self/status")
if status.exists():
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    peak = 1024 * int(lines["VmHWM"].split()[0])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([seconds, time.process_time(), peak / 1e6, segments]))
"""


@dataclass(frozen=True)
class Told:
    """A clip's place in a recording: its start and end in s, and what its corpus says of it."""

    start: float
    end: float
    emotion: str
    samples: np.ndarray


def told(clips: Sequence[Clip], seconds: float, seed: int) -> Iterator[Told]:
    """Clips one after another, 0.2 to 0.8 s apart.

    One speaker keeps one emotion for 4 to 20 s, then another speaker or emotion follows.
    """
    rng, position = np.random.default_rng(seed), 0.0
    groups: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        groups.setdefault((clip.speaker, clip.emotion), []).append(clip)
    order = sorted(groups)
    while position < seconds:
        group = groups[order[rng.integers(len(order))]]
        until = position + rng.uniform(4, 20)
        while position < min(until, seconds):
            samples = Audio.read(group[rng.integers(len(group))].path, sample_rate=RATE).samples[0]
            end = position + samples.size / RATE
            yield Told(position, end, group[0].emotion, samples)
            position = end + round(rng.uniform(0.2, 0.8) * RATE) / RATE


def write(path: Path, clips: Sequence[Clip], seconds: float, rate: int, channels: int) -> None:
    """Write a recording, clip by clip."""
    with soundfile.SoundFile(path, "w", rate, channels) as file:
        written = 0
        for one in told(clips, seconds, seed=0):
            file.write(np.zeros((max(0, round(one.start * rate) - written), channels), np.float32))
            samples = Audio(one.samples, RATE).resample(rate).samples[0]
            file.write(np.repeat(samples[:, None], channels, axis=1))
            written = round(one.start * rate) + samples.size


def long_rows(
    clips: Sequence[Clip], hours: Sequence[float], model: str
) -> tuple[list[list[str]], bool]:
    """Time and peak memory of whole processes over long recordings."""
    kinds: list[tuple[str, float, str, int, int]] = [
        (f"{each:g} h, 16 kHz, one channel, FLAC", each, ".flac", RATE, 1) for each in hours
    ]
    kinds.append(
        (f"{hours[0]:g} h, 44.1 kHz, two channels mixed, MP3", hours[0], ".mp3", 44_100, 2)
    )
    rows, peaks, good = [], [], True
    for what, length, suffix, rate, channels in kinds:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"long{suffix}"
            write(path, clips, 3600 * length, rate, channels)
            command = [sys.executable, "-c", FOLLOW, model, str(path), str(WORKERS)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=ONE_THREAD)
        seconds, busy, peak, segments = json.loads(done.stdout)
        peaks.append(peak)
        targets = [f"<= {30 * length:g} s", "<= 300 MB"]
        met = seconds <= 30 * length and peak <= 300
        good = good and met
        figures = [f"{seconds:.1f} s", f"{busy:.1f} s", f"{peak:.0f} MB", f"{segments}"]
        rows.append([what, *figures, ", ".join(targets)])
        print(f"{what}: {seconds:.1f} s, {peak:.0f} MB", file=sys.stderr, flush=True)
    if len(hours) > 1:
        more = max(peaks[: len(hours)]) / peaks[0] - 1
        good = good and more <= 0.05
        rows.append(["memory, longest against first", "", "", f"{100 * more:+.1f} %", "", "<= 5 %"])
    return rows, good


def stream_rows(clips: Sequence[Clip], seconds: float, model: str) -> tuple[list[list[str]], bool]:
    """Compute and delay of a stream that is fed as by a microphone."""
    opened, rows, good = load(model or None), [], True
    places = list(told(clips, seconds, seed=1))
    samples = np.zeros(round(places[-1].end * RATE), np.float32)
    spoken = []
    for one in places:
        first = round(one.start * RATE)
        samples[first : first + one.samples.size] = one.samples[: samples.size - first]
        for start, end in Gate().check(Audio(one.samples, RATE)).speech:
            spoken.append(np.arange(one.start + start, one.start + end, SHOWN))
    instants = np.concatenate(spoken)
    for rate in (16_000, 48_000):
        audio = Audio(samples, RATE).resample(rate).samples[0]
        stream, size = opened.stream(rate), round(PIECE * rate)
        found: list[tuple[float, float, float, bool]] = []
        spent, busy = 0.0, time.process_time()
        for start in range(0, audio.size, size):
            begun = time.perf_counter()
            segments = stream.feed(audio[start : start + size])
            took = time.perf_counter() - begun
            spent += took
            now = min(start + size, audio.size) / rate + took
            found += [(one.start, one.end, now, one.emotion is not None) for one in segments]
        busy = time.process_time() - busy
        starts, ends, known, labelled = np.array(found).T
        index = np.searchsorted(starts, instants, side="right") - 1
        inside = instants < ends[index]
        delays = known[index[inside]] - instants[inside]
        length = audio.size / rate
        good = good and 1000 * spent / length <= 40 and delays.max() <= 1.5
        rows.append(
            [
                f"{rate / 1000:g} kHz, {1000 * PIECE:g} ms at a time",
                f"{1000 * spent / length:.1f} ms",
                f"{1000 * busy / length:.1f} ms",
                f"{np.median(delays):.2f} s",
                f"{delays.max():.2f} s",
                f"{100 * labelled[index[inside]].mean():.1f} %",
                "<= 40 ms, worst <= 1.5 s",
            ]
        )
    return rows, good


def label_rows(name: str, clips: Sequence[Clip], seconds: float, model: str) -> list[list[str]]:
    """What smoothing and looking ahead do to the labels."""
    opened = load(model or None)
    clips = [clip for clip in clips if clip.emotion in opened.labels]
    places = list(told(clips, seconds, seed=2))
    samples = np.zeros(round(places[-1].end * RATE), np.float32)
    for one in places:
        first = round(one.start * RATE)
        samples[first : first + one.samples.size] = one.samples[: samples.size - first]
    changes = sum(a.emotion != b.emotion for a, b in itertools.pairwise(places))
    rows = []
    for lookahead in (0.3, 3.0):
        for smoothing, hold in (("off", 0.0), ("mean", 0.0), ("hmm", 0.0), ("hmm", 2.0)):
            segments = list(
                opened.timeline(
                    (samples, RATE),
                    smoothing=smoothing,  # type: ignore[arg-type]
                    hold=hold,
                    lookahead=lookahead,
                    workers=WORKERS,
                )
            )
            right, loss = held_against(places, segments)
            labels = [one.emotion for one in segments if one.emotion]
            found = sum(a != b for a, b in itertools.pairwise(labels))
            rows.append(
                [
                    *(name, f"{lookahead:g} s", smoothing, f"{hold:g} s", f"{100 * right:.1f} %"),
                    *(f"{loss:.2f}", f"{found / changes:.2f}"),
                ]
            )
    return rows


def held_against(places: Sequence[Told], segments: Sequence[Segment]) -> tuple[float, float]:
    """The share of the time with a label that it is right, and the mean log loss in nats."""
    starts = np.array([one.start for one in segments])
    right, losses = [], []
    for place in places:
        for instant in np.arange(place.start, place.end, SHOWN):
            segment = segments[int(np.searchsorted(starts, instant, side="right")) - 1]
            if segment.emotion is not None:
                right.append(segment.emotion == place.emotion)
                losses.append(-np.log(max(segment.probabilities[place.emotion], 1e-9)))
    return float(np.mean(right)), float(np.mean(losses))


def show(title: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    print(f"\n{title}\n")
    for cells in (heading, ["---", *["---:"] * (len(heading) - 1)], *rows):
        print(f"| {' | '.join(cells)} |")


def main() -> int:
    """Run the command line: 0 if every target was met, 1 if not, 2 if it could not be run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="CORPUS=DIR", action="append", required=True,
                        help="the first one makes the long recordings")  # fmt: skip
    parser.add_argument("--model", default="", help="a model's name or file; the built-in default")
    parser.add_argument("--hours", type=float, nargs="+", default=[1, 3])
    parser.add_argument("--minutes", type=float, default=10, help="of the shorter recordings")
    parser.add_argument("--only", choices=["long", "stream", "labels"], nargs="+",
                        default=["long", "stream", "labels"])  # fmt: skip
    options = parser.parse_args()
    try:
        return run(options)
    except (SottovoceError, subprocess.CalledProcessError) as error:
        print(f"timeline.py: {error}", file=sys.stderr)
        return 2


def run(options: argparse.Namespace) -> int:
    """Answer the questions that the options ask."""
    data = dict(each.split("=", 1) for each in options.data)
    clips = {name: listing(name, Path(folder)).clips for name, folder in data.items()}
    first, load_average = next(iter(clips.values())), os.getloadavg()[0]
    busy = " (busy!)" if load_average > 0.5 else ""
    print(f"{processor()}, {os.cpu_count()} cores; load when it began: {load_average:.2f}{busy}")
    good = True
    seconds = 60 * options.minutes
    if "long" in options.only:
        rows, met = long_rows(first, options.hours, options.model)
        good = good and met
        heading = [
            "a whole process, two threads",
            "time",
            "of processors",
            "peak memory",
            "segments",
        ]
        show("Long recordings", [*heading, "target"], rows)
    if "stream" in options.only:
        rows, met = stream_rows(first, seconds, options.model)
        good = good and met
        heading = ["one thread", "for 1 s of sound", "of it computing", "delay, median", "worst"]
        show("Streams", [*heading, "of the words have a label", "target"], rows)
    if "labels" in options.only:
        rows = [
            row for name in clips for row in label_rows(name, clips[name], seconds, options.model)
        ]
        heading = ["corpus", "lookahead", "smoothing", "hold", "right", "log loss", "changes"]
        show("Labels; changes for each true one", heading, rows)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
