"""The window policy: which stretches of a recording the network is given, to the sample."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from sottovoce.audio import Audio, Samples

if TYPE_CHECKING:
    from sottovoce.models.card import WindowPolicy

TOLERANCE = 1e-9
"""Slack, in grid steps, for bounds such as 0.3 s that are no exact multiple in binary."""


def pieces(audio: Audio, window: WindowPolicy, speech: tuple[float, float] | None) -> list[Samples]:
    """Cut a recording into the pieces that a model is run on.

    With `window.trim` "speech" the recording is first cut to the extent of speech and `margin`
    seconds on either side, as far as it has them. Every piece is then a whole number of steps of
    round(grid * sample_rate) samples. What does not fill a step, less than one in all, is left
    off, half at either end; a recording shorter than `min` is padded with as many zeros on either
    side; one longer than `max` is split into the fewest pieces that fit, whose lengths differ by
    one step at most.

    Args:
        audio: the recording; channels are mixed down.
        window: the policy; `margin`, `grid`, `min` and `max` in seconds.
        speech: first start and last end of speech in seconds, or None to keep the whole.

    Returns:
        One or more arrays of (samples,), in order; views of the recording where nothing was padded.
    """
    samples = audio.mono().samples[0]
    if window.trim == "speech" and speech is not None:
        start = math.floor((speech[0] - window.margin) * audio.sample_rate)
        end = math.ceil((speech[1] + window.margin) * audio.sample_rate)
        samples = samples[max(0, start) : max(0, end)]
    step = max(1, round(window.grid * audio.sample_rate))
    shortest = max(1, math.ceil(window.min / window.grid - TOLERANCE))
    longest = max(shortest, math.floor(window.max / window.grid + TOLERANCE))

    steps = samples.size // step
    if steps < shortest:
        return [_padded(samples, shortest * step)]
    left = (samples.size - steps * step) // 2
    count = math.ceil(steps / longest)
    bounds = [left + steps * i // count * step for i in range(count + 1)]
    cut = [samples[a:b] for a, b in itertools.pairwise(bounds)]
    return [_padded(piece, max(piece.size, shortest * step)) for piece in cut]


def _padded(samples: Samples, length: int) -> Samples:
    """Centre samples among zeros, up to a length."""
    missing = length - samples.size
    if missing <= 0:
        return samples
    return np.pad(samples, (missing // 2, missing - missing // 2))
