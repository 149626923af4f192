"""A buffer of samples that are resampled as they arrive and dropped when no longer needed."""

from __future__ import annotations

import numpy as np
import soxr

from sottovoce.audio import Samples


class ResampleBuffer:
    """One channel at another sample rate.

    The output does not depend on the size of the pieces that go in: soxr's stream keeps the past
    samples that its filter needs.

    Args:
        rate: of the samples that are added, Hz.
        target: of the output, Hz.
    """

    def __init__(self, rate: int, target: int) -> None:
        self._resampler = (
            None
            if rate == target
            else soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")
        )
        self._kept = np.zeros(0, np.float32)
        self._start = 0
        self.end = 0
        """The position after the newest sample; at another rate it is a little behind."""
        self._new: list[Samples] = []

    def add(self, samples: Samples) -> None:
        """Take the next samples, (samples,); they may change afterwards."""
        if samples.size:
            self._keep(self._resampled(samples, last=False))

    def finish(self) -> None:
        """Take the rest from the resampler."""
        if self._resampler is not None:
            self._keep(self._resampled(np.zeros(0, np.float32), last=True))

    def _resampled(self, samples: Samples, *, last: bool) -> Samples:
        if self._resampler is None:
            return samples.copy()
        return np.asarray(self._resampler.resample_chunk(samples, last=last), np.float32)

    def _keep(self, samples: Samples) -> None:
        self._new.append(samples)
        self.end += samples.size

    def between(self, start: int, end: int) -> Samples:
        """Samples from one position to another, as far as there are any; not to be changed."""
        if self._new:
            self._kept = np.concatenate([self._kept, *self._new])
            self._new.clear()
        return self._kept[max(0, start - self._start) : max(0, end - self._start)]

    def forget(self, before: int) -> None:
        """Drop the samples before a position."""
        self._kept = self.between(before, self.end)
        self._start = max(self._start, min(before, self.end))
