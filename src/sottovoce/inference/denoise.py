"""Noise reduction before the network: spectral gating, by the library noisereduce."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Samples
from sottovoce.errors import MissingExtraError

Output = TypeVar("Output")

THRESHOLD = -0.5
"""Standard deviations, in dB over the clip, from the mean of a band. With the library's own 1.5,
and with its non-stationary gate, noisy speech ends up further from the clean one than it was."""
DECREASE = 0.8

SHORTEST = 2048
"""Samples; a clip shorter than two of the frames that are gated is left as it is."""


def reduce_noise(samples: Samples, sample_rate: int) -> Samples:
    """Take steady noise out of a clip, band by band.

    Stationary spectral gating (Sainburg 2019, https://doi.org/10.5281/zenodo.3243139): what lies
    below `THRESHOLD` in its band loses `DECREASE` of its amplitude.

    Args:
        samples: (samples,).
        sample_rate: Hz.

    Returns:
        (samples,), as many.

    Raises:
        MissingExtraError: noisereduce is not installed.
    """
    gate = _spectral_gate()
    if samples.size < SHORTEST or not samples.any():
        return samples
    cleaned = gate(
        y=samples,
        sr=sample_rate,
        stationary=True,
        n_std_thresh_stationary=THRESHOLD,
        prop_decrease=DECREASE,
        n_jobs=1,
    )
    return np.nan_to_num(np.asarray(cleaned, np.float32))


def with_noise_reduced(run: Callable[..., Output], sample_rate: int) -> Callable[..., Output]:
    """A network that hears its clips, (clips, samples), without their noise.

    Raises:
        MissingExtraError: as for `reduce_noise`, now and not at the first clip.
    """
    _spectral_gate()

    def denoised(batch: NDArray[np.floating[Any]], *others: Any) -> Output:
        return run(np.stack([reduce_noise(clip, sample_rate) for clip in batch]), *others)

    return denoised


def _spectral_gate() -> Callable[..., Any]:
    try:
        from noisereduce import reduce_noise
    except ModuleNotFoundError as error:
        raise MissingExtraError("noise reduction", str(error.name), "denoise") from None
    gate: Callable[..., Any] = reduce_noise
    return gate
