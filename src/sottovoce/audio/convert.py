"""Blocks of samples at another rate, in other channels, or mixed down to one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from sottovoce.results import AudioWarning, WarningCode, Warnings

Block: TypeAlias = NDArray[np.float32]
"""(frames, channels)"""

CANCELLED = 0.05
"""Power of a mix, as a share of what unrelated channels would have, below which they cancel."""
CELL_SECONDS = 0.1
"""How often it is decided what is taken; the decision holds for the samples that follow."""
LEAST_POWER = 1e-7
"""Of the louder channel; below it nothing is decided."""


def by_channel(block: Block) -> NDArray[np.float32]:
    """Give (channels, frames), each channel in one piece: what is done to it is quick then."""
    return np.ascontiguousarray(block.T)


def resampled(blocks: Iterator[Block], rate: int, target: int) -> Iterator[Block]:
    """Convert to another rate (Hz) with soxr at high quality."""
    stream: soxr.ResampleStream | None = None
    for block in blocks:
        if stream is None:
            channels = block.shape[1]
            stream = soxr.ResampleStream(rate, target, channels, dtype="float32", quality="HQ")
        yield stream.resample_chunk(np.ascontiguousarray(block))
    if stream is not None:
        yield stream.resample_chunk(np.empty((0, channels), np.float32), last=True)


def fitted(
    blocks: Iterator[Block], before: tuple[int, int], after: tuple[int, int]
) -> Iterator[Block]:
    """Convert from one (rate, channels) to another; other channels become their mean."""
    (rate, channels), (target, wanted) = before, after
    if channels != wanted:
        blocks = (block.mean(axis=1, keepdims=True).repeat(wanted, axis=1) for block in blocks)
    return blocks if rate == target else resampled(blocks, rate, target)


class Mixer:
    """Mixes channels down to their mean, or takes the loudest one where they cancel.

    What is taken depends on the samples before, never on how they were cut into blocks.

    Args:
        sample_rate: Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._cell = max(1, round(CELL_SECONDS * sample_rate))
        self._filled = self._frames = 0
        self._powers: NDArray[np.float64] = np.zeros(0)
        self._mixed = 0.0
        self._taken: int | None = None
        self._used: int | None = None

    def mix(self, block: Block) -> Block:
        """Give (frames,) for the next (frames, channels)."""
        channels = by_channel(block)
        mixed: NDArray[np.float32] = channels[0] if len(channels) == 1 else channels.mean(axis=0)
        if len(channels) == 1 or not mixed.size:
            return mixed
        if self._powers.size != len(channels):
            self._powers = np.zeros(len(channels))
        edges = [0, *range(self._cell - self._filled, mixed.size, self._cell), mixed.size]
        squares = np.concatenate([channels, mixed[np.newaxis]])
        with np.errstate(over="ignore"):
            squares *= squares
            sums = np.add.reduceat(squares, edges[:-1], axis=1).T
        for start, stop, (*powers, mix) in zip(edges, edges[1:], sums.tolist(), strict=False):
            self._powers += powers
            self._mixed += mix
            if self._taken is not None:
                mixed[start:stop] = channels[self._taken, start:stop]
            self._filled += stop - start
            if self._filled == self._cell:
                self._decide()
        return mixed

    def warnings(self) -> Warnings:
        """What was taken in place of the mix, if anything was."""
        if self._used is None:
            return ()
        text = f"the channels cancel (antiphase): channel {self._used + 1} was taken"
        return (AudioWarning(code=WarningCode.ANTIPHASE, message=text),)

    def _decide(self) -> None:
        self._frames += self._filled
        self._filled = 0
        unrelated = self._powers.sum() / self._powers.size**2
        if self._powers.max() < LEAST_POWER * self._frames or (
            self._mixed >= CANCELLED * unrelated
        ):
            self._taken = None
        elif self._taken is None:
            self._taken = int(self._powers.argmax())
            self._used = self._taken
