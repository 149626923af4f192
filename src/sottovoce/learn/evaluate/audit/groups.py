"""The groups of clips between which an audit asks for fairness: by pitch, length, noise."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from sottovoce.audio import Audio, Samples
from sottovoce.learn.corpora import is_known_speaker
from sottovoce.learn.frontends.pitch import F0, PitchOptions

PITCH_GROUPS = ("low pitch", "medium pitch", "high pitch")
PITCH_EDGES = (145.0, 190.0)
"""Hz; the mean F0 of a speaker up to which a pitch is low, and up to which it is medium."""
PITCH_RANGE = (50.0, 350.0)
"""Hz; clips whose mean F0 is outside are taken for errors. All three are those of ser-tests."""
PITCH_CLIPS = 5
"""Clips of a speaker from which the mean is worth something; ser-tests has more than 25."""

FRAME = 0.03
"""s; of the level of which `level_range` takes the percentiles."""


def pitch_groups(clips: Sequence[Audio], speakers: Sequence[str]) -> NDArray[np.str_]:
    """Sort clips by how high their speaker speaks on average, as ser-tests does, with our own F0.

    Returns:
        (n,), each of `PITCH_GROUPS`, or "" for speakers that are not known or have too few clips.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a clip is too small to share: with two, waiting can take fifty times
    try:
        pitch = np.array([mean_f0(clip.samples[0], clip.sample_rate) for clip in clips])
    finally:
        torch.set_num_threads(threads)
    usable = (pitch >= PITCH_RANGE[0]) & (pitch <= PITCH_RANGE[1])
    groups = np.full(len(clips), "", dtype="<U16")
    names = np.asarray(speakers)
    for speaker in filter(is_known_speaker, np.unique(names)):
        own = pitch[usable & (names == speaker)]
        if len(own) >= PITCH_CLIPS:
            group = np.searchsorted(PITCH_EDGES, own.mean(), side="left")
            groups[names == speaker] = PITCH_GROUPS[group]
    return groups


def mean_f0(samples: Samples, rate: int) -> float:
    """Give the mean F0 of the frames with voice, Hz; 0 without voice. samples: (n,)."""
    frame = max(64, 2 ** math.ceil(math.log2(3 * rate / 65)))  # three periods of 65 Hz
    options = PitchOptions.model_validate({"frame": frame, "hop": max(16, rate // 100)})
    front_end = F0(options, rate)
    with torch.inference_mode():
        f0 = front_end.raw(torch.from_numpy(np.array(samples))[None])[0, 0].numpy()
    voiced = f0[f0 > 0]
    return float(voiced.mean()) if voiced.size else 0.0


def thirds(values: ArrayLike, names: tuple[str, str, str]) -> NDArray[np.str_]:
    """Sort clips into the lowest, the middle and the highest third: (n,) -> (n,) of `names`."""
    values = np.asarray(values, dtype=np.float64)
    return np.asarray(names)[np.searchsorted(np.quantile(values, (1 / 3, 2 / 3)), values)]


def level_range(audio: Audio) -> float:
    """Estimate the signal-to-noise ratio of a clip, dB, from its loud and its quiet moments.

    The 95th over the 10th percentile of the power of frames of 30 ms: in speech with pauses, the
    quiet ones hold the background alone. A clip without pauses looks noisier than it is.
    """
    size = round(FRAME * audio.sample_rate)
    samples = audio.samples[0]
    whole = samples[: max(1, len(samples) // size) * size].reshape(-1, min(size, len(samples)))
    power = np.square(whole, dtype=np.float64).mean(axis=1) + 1e-10
    loud, quiet = np.percentile(power, (95, 10))
    return float(10 * np.log10(loud / quiet))
