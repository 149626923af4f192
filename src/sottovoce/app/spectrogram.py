"""Log-mel spectrogram and outline of a recording, as far as a picture needs them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sottovoce.audio import Audio
from sottovoce.audio.mel_scale import mel_edges
from sottovoce.inference.occlusion import HIGHEST

RATE = 16_000
FFT = 1024
BANDS = 96
COLUMNS = 700
"""Frames across a picture at most; a long recording is heard in places."""
RANGE = 70.0
"""dB below the loudest that are shown."""
QUIETEST = 0.5
"""Power that nothing quieter is lifted to: of a tone at about -50 dB, so that silence is dark."""
COLOURS = ("#0d1026", "#1f2f6b", "#2b6f97", "#45b095", "#bfdc7a", "#fdfbd4")
"""From quiet to loud; they grow lighter all the way."""
GREYS = ("#15171c", "#6c7078", "#f4f4f2")


def log_mel(audio: Audio) -> NDArray[np.float64]:
    """(bands, frames), dB below the loudest, from low to high bands up to 8 kHz.

    Triangles over the power of 64 ms Hann windows; frames are 16 ms apart, or further where the
    recording would give more than `COLUMNS` of them.
    """
    samples = audio.mono().resample(RATE).samples[0]
    samples = np.pad(samples, (FFT // 2, FFT // 2))
    step = max(FFT // 4, -(-(samples.size - FFT) // COLUMNS))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FFT)[::step]
    power = np.abs(np.fft.rfft(frames * np.hanning(FFT + 1)[:-1])) ** 2
    edges = mel_edges(BANDS, 0.0, HIGHEST)
    bins = np.fft.rfftfreq(FFT, 1 / RATE)
    rising = (bins[None] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.clip(np.minimum(rising, falling), 0.0, None)
    low = np.flatnonzero(triangles.sum(axis=1) == 0)  # narrower than a bin: the nearest one
    triangles[low, np.abs(bins[None] - edges[1:-1][low, None]).argmin(axis=1)] = 1.0
    bands = triangles @ power.T
    loudest = max(float(bands.max()), QUIETEST)
    return np.asarray(10.0 * np.log10(np.maximum(bands / loudest, 10.0 ** (-RANGE / 10))))


def picture(decibels: NDArray[np.float64], colours: Sequence[str] = COLOURS) -> str:
    """A spectrogram of `log_mel` as a PNG, high bands on top, in a data URL."""
    stops = np.array([[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in colours], float)
    places = np.linspace(-RANGE, 0.0, len(colours))
    channels = [np.interp(decibels[::-1], places, stops[:, channel]) for channel in range(3)]
    file = io.BytesIO()
    Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def outline(audio: Audio, columns: int = COLUMNS) -> tuple[NDArray[np.float64], ...]:
    """Times in s, and the lowest and highest sample in each of so many equal parts, or fewer."""
    samples = audio.mono().samples[0]
    count = max(1, min(columns, samples.size))
    bounds = np.linspace(0, samples.size, count + 1).round().astype(int)[:-1]
    if not samples.size:
        return np.zeros(1), np.zeros(1), np.zeros(1)
    lowest = np.minimum.reduceat(samples, bounds).astype(float)
    highest = np.maximum.reduceat(samples, bounds).astype(float)
    return bounds / audio.sample_rate, lowest, highest
