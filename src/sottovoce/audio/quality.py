"""What is odd about the sound of a recording: silent channels, clipping, a narrow band.

Fed block by block, in memory that does not grow.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sottovoce.audio.convert import Block, by_channel
from sottovoce.results import AudioWarning, WarningCode, Warnings

SILENT = 1e-6
"""Power of a channel, as a share of the loudest one's, below which it is silent."""
AUDIBLE = 1e-9
"""Mean power from which there is sound at all."""

FRAME_SECONDS = 0.032
"""Length of the frames whose spectra are summed."""
SMOOTH = 64
"""Their samples are a multiple of this: lengths with large prime factors transform slowly."""
STRIDE = 6
"""One in so many is looked at: the sum is over the whole recording."""
BELOW, ABOVE = (2800.0, 3300.0), (4300.0, 5000.0)
"""Hz just inside and just outside of the telephone band (ITU-T G.712: 300 to 3400 Hz)."""
NARROW = 2.5e-4
"""Mean power density of `ABOVE`, as a share of that of `BELOW`, that ends a telephone's band."""
ROUNDING = 3 / 12 / 32_768**2
"""Power of the noise of 16 bits, dithered: it has no band, and is taken off."""
HEARD = 10.0
"""Power density of `BELOW` over that of this noise from which the band can be told."""
NARROW_RATE = 9_000
"""Hz; a recording at a lower rate holds no wider band."""

LOUD = 0.5
"""Peak from which samples may be clipped, full scale = 1."""
FLAT = 0.999
"""Share of the peak from which a sample is at it."""
RUN = 4
"""Samples at the peak, one after another, that make it clipped."""
CLIPPED = 1e-3
"""Share of the samples in such runs from which it is said."""


class SoundCheck:
    """Looks at a recording while it goes by.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._band = _Band(sample_rate)
        self._clipping: list[_Clipping] = []
        self._powers: NDArray[np.float64] = np.zeros(0)
        self._frames = 0

    def add(self, block: Block) -> None:
        """Take the next (frames, channels), as many channels every time."""
        if not block.size:
            return
        channels = by_channel(block)
        if len(channels) != self._powers.size:
            self._powers = np.zeros(len(channels))
            self._clipping = [_Clipping() for _ in channels]
        with np.errstate(over="ignore"):
            self._powers += [float(np.dot(channel, channel)) for channel in channels]
        self._frames += len(block)
        self._band.add(channels)
        for channel, clipping in zip(channels, self._clipping, strict=True):
            clipping.add(channel)

    def warnings(self) -> Warnings:
        """What was found so far."""
        found = [self._silent(), self._clipped(), self._narrow()]
        return tuple(warning for warning in found if warning is not None)

    def _silent(self) -> AudioWarning | None:
        if self._powers.size < 2 or self._powers.max() < AUDIBLE * self._frames:
            return None
        silent = (np.flatnonzero(self._powers < SILENT * self._powers.max()) + 1).tolist()
        if not silent:
            return None
        text = f"channel {silent[0]} is silent"
        if len(silent) > 1:
            text = f"channels {', '.join(map(str, silent))} are silent"
        return AudioWarning(code=WarningCode.SILENT_CHANNEL, message=text)

    def _clipped(self) -> AudioWarning | None:
        share = max((clipping.flat for clipping in self._clipping), default=0) / (self._frames or 1)
        if share < CLIPPED:
            return None
        text = f"clipped: {share:.1%} of the samples are cut off"
        return AudioWarning(code=WarningCode.CLIPPED, message=text)

    def _narrow(self) -> AudioWarning | None:
        heard = bool(self._powers.sum() > AUDIBLE * self._frames)
        if not (heard if self._rate < NARROW_RATE else self._band.narrow):
            return None
        text = "narrow band: nothing above 4 kHz, as over a telephone"
        return AudioWarning(code=WarningCode.NARROW_BAND, message=text)


class _Clipping:
    """One channel's samples in runs at its largest value, or its smallest."""

    def __init__(self) -> None:
        self._peak, self._count = 0.0, 0
        self._run = 0
        """Length of the run that the newest sample is in."""
        self._lowest, self._highest = np.inf, -np.inf

    @property
    def flat(self) -> int:
        if self._peak < LOUD or self._lowest == self._highest:
            return 0
        return self._count + (self._run if self._run >= RUN else 0)

    def add(self, samples: NDArray[np.float32]) -> None:
        lowest, highest = float(samples.min()), float(samples.max())
        self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
        peak = max(highest, -lowest)
        if peak * FLAT > self._peak:
            self._count = self._run = 0
        self._peak = max(self._peak, peak)
        if peak < max(LOUD, FLAT * self._peak):
            self._end_run()
            return
        at_peak = np.flatnonzero(np.abs(samples) >= FLAT * self._peak)
        starts = np.flatnonzero(np.diff(at_peak, prepend=-2) > 1)
        lengths = np.diff(starts, append=at_peak.size)
        if at_peak[0] == 0:
            lengths[0] += self._run
        else:
            self._end_run()
        goes_on = at_peak[-1] == samples.size - 1
        self._run = int(lengths[-1]) if goes_on else 0
        ended = lengths[:-1] if goes_on else lengths
        self._count += int(ended[ended >= RUN].sum())

    def _end_run(self) -> None:
        self._count += self._run if self._run >= RUN else 0
        self._run = 0


class _Band:
    """Whether there is sound below 3.4 kHz and, as steeply as a filter cuts it off, none above."""

    def __init__(self, rate: int) -> None:
        size = max(1, round(FRAME_SECONDS * rate / SMOOTH)) * SMOOTH
        self._window = _window(size)
        frequencies = np.fft.rfftfreq(size, 1 / rate)
        self._below, self._above = (
            slice(*np.searchsorted(frequencies, (low, min(high, 0.47 * rate))).tolist())
            for low, high in (BELOW, ABOVE)
        )
        self._sums = [0.0, 0.0]
        self._count = 0
        self._next = 0
        """Samples to the next frame."""
        self._begun: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        """(channels, samples), the first ones of a frame."""

    @property
    def narrow(self) -> bool:
        below, above = self._sums
        noise = self._count * ROUNDING * float(np.dot(self._window, self._window))
        return below > HEARD * noise and above - noise < NARROW * below

    def add(self, channels: NDArray[np.float32]) -> None:
        """Take the next (channels, frames)."""
        size, stride = self._window.size, STRIDE * self._window.size
        if self._begun.size:
            channels = np.concatenate([self._begun, channels], axis=1)
        samples = channels.shape[1]
        if samples - self._next >= size:
            frames = sliding_window_view(channels, size, axis=1)[:, self._next :: stride]
            self._next += frames.shape[1] * stride
            self._look(frames)
        self._begun = channels[:, self._next :].copy()
        self._next = max(0, self._next - samples)

    def _look(self, frames: NDArray[np.float32]) -> None:
        """Add up the spectra of (channels, frames, samples)."""
        self._count += frames.shape[0] * frames.shape[1]
        spectrum = np.fft.rfft(frames * self._window)
        for number, bins in enumerate((self._below, self._above)):
            part = spectrum[:, :, bins]
            power = float(np.vdot(part, part).real) / max(1, part.shape[2])
            self._sums[number] += power


@lru_cache(maxsize=8)
def _window(size: int) -> NDArray[np.float32]:
    return np.hanning(size).astype(np.float32)
