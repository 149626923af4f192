"""Conditions in which strangers' clips are judged as well: noise, telephone, codec, level, room."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from sottovoce.audio import Samples
from sottovoce.learn.data import degradation
from sottovoce.learn.embedding.speech import FULL_SCALE, Speech

Apply = Callable[[Samples, int, Sequence[Samples], np.random.Generator], Samples]
"""(samples, rate in Hz, recordings of noise, generator) -> as many samples."""


def _noise(snr_db: float) -> Apply:
    """One of the recordings, at a signal-to-noise ratio in dB."""

    def apply(
        samples: Samples, rate: int, noise: Sequence[Samples], rng: np.random.Generator
    ) -> Samples:
        recording = noise[int(rng.integers(len(noise)))]
        return degradation.add_noise_at(samples, recording, snr_db, rng)

    return apply


CONDITIONS: Mapping[str, tuple[str, Apply]] = {
    "sound-noise20": ("in noise never trained on, 20 dB", _noise(20)),
    "sound-noise10": ("in noise never trained on, 10 dB", _noise(10)),
    "sound-noise5": ("in noise never trained on, 5 dB", _noise(5)),
    "sound-mulaw": (
        "over a telephone, mu-law at 8 kHz",
        lambda samples, rate, noise, rng: degradation.mu_law(samples, rate),
    ),
    "sound-opus16": (
        "through Opus at 16 kbit/s",
        lambda samples, rate, noise, rng: degradation.opus(samples, rate, 16),
    ),
    "sound-minus20": (
        "20 dB quieter",
        lambda samples, rate, noise, rng: degradation.gain(samples, -20),
    ),
    "sound-room": (
        "in a small room",
        lambda samples, rate, noise, rng: degradation.room(samples, rate, 0.3),
    ),
}
"""Name of a way to judge (see `FoldJudgement.logits`) -> in words, and the change of the sound."""


def in_condition(
    speech: Speech, rows: Sequence[int], way: str, noise: Sequence[Samples], seed: int = 0
) -> Speech:
    """The same clips, some of them in one of `CONDITIONS`.

    Args:
        speech: the clips.
        rows: which are changed; each by a generator of its own, so that it does not hang on others.
        way: a name in `CONDITIONS`.
        noise: recordings at the rate of `speech`.
        seed: of the draws.
    """
    apply = CONDITIONS[way][1]
    samples = speech.samples.cpu().float().numpy()  # finer than 16 bits: quiet is not coarse
    starts, lengths = speech.starts.tolist(), speech.lengths.tolist()
    for row in rows:
        place = slice(starts[row], starts[row] + lengths[row])
        rng = np.random.default_rng([seed, row])
        sound = np.asarray(samples[place] / FULL_SCALE, np.float32)
        samples[place] = apply(sound, speech.sample_rate, noise, rng) * FULL_SCALE
    return replace(speech, samples=torch.from_numpy(samples).to(speech.device))
