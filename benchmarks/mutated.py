"""Recordings with mistakes in them, the same ones for the same number: what decoding them does.

Run, it decodes so many of them, and says how long the slowest took, how much memory was needed at
most, and which were answered by anything but a recording or one line. `service.py` and tests take
the recordings from here.
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

VOICE = Path(__file__).resolve().parents[1] / "samples" / "lively-voice.wav"

KINDS = {
    "wav": ("WAV", "PCM_16"),
    "float": ("WAV", "FLOAT"),
    "flac": ("FLAC", None),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", None),
    "aiff": ("AIFF", "PCM_24"),
}

MEDIA = {
    "m4a": ("mp4", "aac", 16_000),
    "webm": ("webm", "libopus", 48_000),
    "wma": ("asf", "wmav2", 44_100),
    "aac": ("adts", "aac", 16_000),
    "ac3": ("ac3", "ac3", 48_000),
    "avi": ("avi", "libmp3lame", 16_000),
    "wavpack": ("wv", "wavpack", 16_000),
    "g722": ("wav", "g722", 16_000),
    "alac": ("caf", "alac", 16_000),
    "ts": ("mpegts", "aac", 16_000),
}
"""Container, codec and Hz, as FFmpeg writes them."""

SECONDS, MEGABYTES = 10.0, 500.0
"""That decoding a second of speech may take at most, whatever is wrong with it."""
TOGETHER = 500
"""Recordings that one process decodes."""

NUMBERS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")
"""What sizes in a header may be taken for."""


def originals() -> dict[str, bytes]:
    """A second of speech in each format."""
    samples, rate = soundfile.read(VOICE, frames=16_000)
    whole = {}
    for name, (kind, subtype) in KINDS.items():
        file = io.BytesIO()
        soundfile.write(file, samples, rate, format=kind, subtype=subtype)
        whole[name] = file.getvalue()
    for name, (kind, codec, coded_rate) in MEDIA.items():
        whole[name] = _media(samples, rate, kind, codec, coded_rate)
    whole["chain"] = 2 * whole["vorbis"]
    return whole


def _media(samples: np.ndarray, rate: int, kind: str, codec: str, coded_rate: int) -> bytes:
    """The same as FFmpeg writes it."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=kind) as media:
        track = media.add_stream(codec, rate=coded_rate, layout="mono")
        track.bit_rate = 64_000
        levels = np.clip(32768 * samples, -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(levels[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = rate
        fitted = av.AudioResampler(format=track.format, layout="mono", rate=track.rate)
        for piece in fitted.resample(frame):
            media.mux(track.encode(piece))
        media.mux(track.encode(None))
    return file.getvalue()


def mutated(whole: dict[str, bytes], number: int) -> bytes:
    """One of the recordings with bytes changed, taken out, doubled or cut off."""
    rng = np.random.default_rng(number)
    content = bytearray(whole[sorted(whole)[number % len(whole)]])
    head = min(200, len(content))
    for _ in range(rng.integers(1, 9)):
        end = head if rng.random() < 0.6 else len(content)
        place = int(rng.integers(0, max(1, end)))
        match rng.integers(0, 5):
            case 0:
                content[place : place + 1] = rng.bytes(1)
            case 1:
                content[place : place + 4] = NUMBERS[rng.integers(0, len(NUMBERS))]
            case 2:
                del content[place : place + int(rng.integers(1, 64))]
            case 3:
                content[place:place] = content[place : place + int(rng.integers(1, 2000))]
            case 4:
                del content[max(place, 12) :]
    return bytes(content)


def _decode(first: int, count: int) -> None:
    """Decode so many recordings; a line of JSON for each, before it and after it."""
    from sottovoce.audio import Audio
    from sottovoce.errors import SottovoceError

    whole = originals()
    for number in range(first, first + count):
        content = mutated(whole, number)
        print(json.dumps({"number": number}), flush=True)
        begun, failed, before = time.monotonic(), "", _peak()
        try:
            audio = Audio.read(content, sample_rate=16_000)
            kind = "with warnings" if audio.warnings else "without a word"
        except SottovoceError as error:
            kind = "refused"
            failed = "" if str(error).isprintable() else "more than one line"
        except Exception as error:
            kind, failed = "failed", repr(error)
        took, peak = time.monotonic() - begun, _peak()
        if peak > MEGABYTES > before:
            failed = failed or f"{peak:.0f} MB"
        if took > SECONDS:
            failed = failed or f"{took:.0f} s"
        line = {"number": number, "took": took, "peak": peak, "kind": kind, "failed": failed}
        print(json.dumps(line), flush=True)


def _peak() -> float:
    """Most memory that this process had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _run(first: int, count: int) -> list[dict]:
    """What came of so many recordings, decoded in a process of its own."""
    command = [sys.executable, __file__, "--decode", str(first), str(count)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    answers, current = [], first
    watch = threading.Timer(60 + count * SECONDS, worker.kill)
    watch.start()
    for line in worker.stdout:
        answer = json.loads(line)
        current = answer["number"]
        if "took" in answer:
            answers.append(answer)
    watch.cancel()
    if worker.wait() != 0:
        failed = f"the process ended with {worker.returncode}"
        answers.append({"number": current, "took": 0, "peak": 0, "kind": "died", "failed": failed})
        rest = first + count - current - 1
        answers += _run(current + 1, rest) if rest else []
    return answers


def main() -> int:
    """Decode, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="how many recordings")
    parser.add_argument("--decode", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.decode:
        _decode(*options.decode)
        return 0
    answers = []
    for first in range(0, options.count, TOGETHER):
        answers += _run(first, min(TOGETHER, options.count - first))
    bad = [one for one in answers if one["failed"]]
    kinds = ", ".join(
        f"{count} {kind}" for kind, count in Counter(a["kind"] for a in answers).items()
    )
    print(f"{len(answers)} recordings of {len(KINDS) + len(MEDIA) + 1} formats: {kinds}")
    print(f"slowest {max(a['took'] for a in answers):.2f} s (at most {SECONDS:g} s)")
    print(f"peak memory {max(a['peak'] for a in answers):.0f} MB (at most {MEGABYTES:g} MB)")
    for one in bad:
        print(f"bad: {one}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
