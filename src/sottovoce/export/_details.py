"""A prediction and its features as a picture: the waveform above, the features below."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from sottovoce.errors import MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sottovoce.audio import Audio


def draw_details(
    title: str, audio: Audio, features: NDArray[Any] | None, file: str | BinaryIO, kind: str
) -> None:
    """Draw the waveform, and the features, if any, each row from its least to its most, or a line.

    Args:
        title: above it.
        audio: of which the first channel is drawn.
        features: (features, frames).
        file: a path, or what takes the picture.
        kind: "png", "svg" or "pdf".

    Raises:
        MissingExtraError: without the extra `plot`.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("a picture", "matplotlib", "plot")
    from matplotlib.figure import Figure

    rows = 1 if features is None else 2
    figure = Figure((9, 2.2 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    samples = audio.samples[0]
    axes[0].plot(np.arange(samples.size) / audio.sample_rate, samples, linewidth=0.4)
    axes[0].set_xlim(0, audio.duration)
    axes[0].set_xlabel("s")
    axes[0].set_ylabel("sound")
    if features is not None and features.shape[1] == 1:  # no frames: one number a feature
        axes[1].plot(features[:, 0], linewidth=0.6)
        axes[1].set_xlabel("feature")
    elif features is not None:
        least, spread = features.min(axis=1, keepdims=True), np.ptp(features, axis=1, keepdims=True)
        scaled = (features - least) / np.where(spread > 0, spread, 1)
        axes[1].imshow(scaled, aspect="auto", origin="lower", cmap="magma")
        axes[1].set_xlabel("frame")
        axes[1].set_ylabel("feature")
    figure.suptitle(title, fontsize=11, parse_math=False)
    figure.savefig(file, format=kind, dpi=110)
