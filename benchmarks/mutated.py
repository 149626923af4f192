"""Recordings with mistakes in them, the same ones for the same number; for tests and service.py."""

import io
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
    for name, kind, codec in (("m4a", "mp4", "aac"), ("webm", "webm", "libopus")):
        whole[name] = _media(samples, rate, kind, codec)
    return whole


def _media(samples: np.ndarray, rate: int, kind: str, codec: str) -> bytes:
    """The same as FFmpeg writes it."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=kind) as media:
        track = media.add_stream(codec, rate=rate, layout="mono")
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
