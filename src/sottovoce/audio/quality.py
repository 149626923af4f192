"""What is odd about the sound of a recording: silent channels, clipping, a narrow band.

Fed block by block, in memory that does not grow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio.convert import Block
from sottovoce.results import AudioWarning, WarningCode, Warnings

SILENT = 1e-6
"""Power of a channel, as a share of the loudest one's, below which it is silent."""
AUDIBLE = 1e-9
"""Mean power from which there is sound at all."""

FRAME_SECONDS = 0.032
"""Length of the frames whose spectra are summed."""
STRIDE = 6
"""One in so many is: the sum is over the whole recording."""
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
        if block.shape[1] != self._powers.size:
            self._powers = np.zeros(block.shape[1])
            self._clipping = [_Clipping() for _ in range(block.shape[1])]
        self._powers += np.einsum("fc,fc->c", block, block, dtype=np.float64)
        self._frames += len(block)
        self._band.add(block)
        for channel, clipping in zip(block.T, self._clipping, strict=True):
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
        if not samples.size:
            return
        lowest, highest = float(samples.min()), float(samples.max())
        self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
        peak = max(highest, -lowest)
        if peak * FLAT > self._peak:
            self._count = self._run = 0
        self._peak = max(self._peak, peak)
        if peak < max(LOUD, FLAT * self._peak):
            self._end_run()
            return
        at_peak = np.abs(samples) >= FLAT * self._peak
        edges = np.flatnonzero(np.diff(at_peak, prepend=False, append=False))
        lengths = edges[1::2] - edges[::2]
        if not at_peak[0]:
            self._end_run()
        if at_peak.all():
            self._run += samples.size
            return
        if at_peak[0]:
            self._run += int(lengths[0])
            self._end_run()
            lengths = lengths[1:]
        if at_peak[-1]:
            self._run, lengths = int(lengths[-1]), lengths[:-1]
        self._count += int(lengths[lengths >= RUN].sum())

    def _end_run(self) -> None:
        self._count += self._run if self._run >= RUN else 0
        self._run = 0


class _Band:
    """Whether there is sound below 3.4 kHz and, as steeply as a filter cuts it off, none above."""

    def __init__(self, rate: int) -> None:
        size = max(2, round(FRAME_SECONDS * rate))
        self._window = np.hanning(size).astype(np.float32)
        frequencies = np.fft.rfftfreq(size, 1 / rate)
        self._below, self._above = (
            slice(*np.searchsorted(frequencies, (low, min(high, 0.47 * rate))).tolist())
            for low, high in (BELOW, ABOVE)
        )
        self._sums = [0.0, 0.0]
        self._count = 0
        self._rest: Block = np.zeros((0, 0), np.float32)

    @property
    def narrow(self) -> bool:
        below, above = self._sums
        noise = self._count * ROUNDING * float(np.dot(self._window, self._window))
        return below > HEARD * noise and above - noise < NARROW * below

    def add(self, block: Block) -> None:
        size, stride = self._window.size, STRIDE * self._window.size
        if self._rest.shape[1] != block.shape[1]:
            self._rest = np.zeros((0, block.shape[1]), np.float32)
        joined = np.concatenate([self._rest, block])
        count = len(joined) // stride
        self._rest = joined[count * stride :].copy()
        if not count:
            return
        self._count += count * block.shape[1]
        for channel in joined[: count * stride].T:
            frames = channel.reshape(count, stride)[:, :size] * self._window
            spectrum = np.fft.rfft(frames)
            for number, bins in enumerate((self._below, self._above)):
                part = spectrum[:, bins]
                power = float(np.vdot(part, part).real) / max(1, part.shape[1])
                self._sums[number] += power
