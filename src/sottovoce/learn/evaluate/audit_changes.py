"""The changes of sound that an audit asks a model to be robust to, and how robust."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sottovoce.audio import Samples
from sottovoce.learn.data import degradation

SMALL = "Robustness Small Changes"
BACKGROUND = "Robustness Background Noise"
PHONE = "Robustness Low Quality Phone"
ROOM = "Robustness Simulated Recording Condition"
MICROPHONE = "Robustness Recording Condition"
TILT = "Robustness Spectral Tilt"

PHONE_MICROPHONE = ((150.0, -24.0), (400.0, -4.0), (1000.0, 0.0), (3500.0, 4.0), (7000.0, -12.0))
LAPTOP_MICROPHONE = ((80.0, -12.0), (250.0, 0.0), (1200.0, -5.0), (3000.0, 5.0), (8000.0, -6.0))
"""(Hz, dB), made up after what such microphones commonly do: little bass, a peak at some kHz."""

TILT_DB = 12.0
"""Between 0 Hz and half the rate; the strength is ours, their filters are not published as such."""

Apply = Callable[[Samples, int, np.random.Generator, Sequence[Samples]], Samples]
"""(samples, rate, generator, recordings of noise) -> samples."""


@dataclass(frozen=True, slots=True)
class SoundChange:
    """One change of sound, and what is required of a model that hears it.

    Attributes:
        name: in words.
        test: of ser-tests, from which the thresholds are.
        apply: changes a clip; what it draws depends on the generator alone.
        unchanged: fraction of the predictions of which more must stay as they were, or None where
            no threshold is published.
        uar: change of UAR and of UAP that must stay above this, or None where the test has none.
        borrowed: whether `test` asks this of another change, the closest to this one.
        needs_noise: whether recordings of noise are needed.
    """

    name: str
    test: str
    apply: Apply
    unchanged: float | None
    uar: float | None = None
    borrowed: bool = False
    needs_noise: bool = False


def _noise_at(snr_db: float) -> Apply:
    def apply(x: Samples, rate: int, rng: np.random.Generator, noise: Sequence[Samples]) -> Samples:
        recording = noise[int(rng.integers(len(noise)))]
        return degradation.add_noise_at(x, recording, snr_db, rng)

    return apply


CHANGES = (
    SoundChange(
        "additive tone, 5 to 7 kHz, 40 to 50 dB",
        SMALL,
        lambda x, rate, rng, noise: degradation.tone(
            x, rate, rng.uniform(5000, 7000), rng.choice((40, 45, 50))
        ),
        0.95,
    ),
    SoundChange(
        "zeros appended, 100 to 1000",
        SMALL,
        lambda x, rate, rng, noise: degradation.pad(x, end=rng.choice((100, 500, 1000))),
        0.95,
    ),
    SoundChange(
        "zeros prepended, 100 to 1000",
        SMALL,
        lambda x, rate, rng, noise: degradation.pad(x, start=rng.choice((100, 500, 1000))),
        0.95,
    ),
    SoundChange(
        "clipping of 0.1 to 0.3 %",
        SMALL,
        lambda x, rate, rng, noise: degradation.clip(x, rng.choice((0.001, 0.002, 0.003))),
        0.95,
    ),
    SoundChange(
        "beginning cropped, 100 to 1000 samples",
        SMALL,
        lambda x, rate, rng, noise: degradation.crop(x, start=rng.choice((100, 500, 1000))),
        0.95,
    ),
    SoundChange(
        "end cropped, 100 to 1000 samples",
        SMALL,
        lambda x, rate, rng, noise: degradation.crop(x, end=rng.choice((100, 500, 1000))),
        0.95,
    ),
    SoundChange(
        "gain, -2 to 2 dB",
        SMALL,
        lambda x, rate, rng, noise: degradation.gain(x, rng.choice((-2, -1, 1, 2))),
        0.95,
    ),
    SoundChange(
        "high pass, 50 to 150 Hz",
        SMALL,
        lambda x, rate, rng, noise: degradation.high_pass(x, rate, rng.choice((50, 100, 150))),
        0.95,
    ),
    SoundChange(
        "low pass, 6.5 to 7.5 kHz",
        SMALL,
        lambda x, rate, rng, noise: degradation.low_pass(x, rate, rng.choice((7500, 7000, 6500))),
        0.95,
    ),
    SoundChange(
        "white noise, 35 to 45 dB",
        SMALL,
        lambda x, rate, rng, noise: degradation.white_noise(x, rng.choice((35, 40, 45)), rng),
        0.95,
    ),
    SoundChange(
        "white noise, 20 dB",
        BACKGROUND,
        lambda x, rate, rng, noise: degradation.white_noise(x, 20, rng),
        0.9,
        -0.05,
    ),
    SoundChange("background noise, 20 dB", BACKGROUND, _noise_at(20), 0.9, -0.05, needs_noise=True),
    SoundChange("background noise, 10 dB", "", _noise_at(10), None, needs_noise=True),
    SoundChange("background noise, 5 dB", "", _noise_at(5), None, needs_noise=True),
    SoundChange(
        "telephone, 8 kHz mu-law",
        PHONE,
        lambda x, rate, rng, noise: degradation.mu_law(x, rate),
        0.5,
        -0.05,
        borrowed=True,
    ),
    SoundChange(
        "Opus, 16 kbit/s",
        MICROPHONE,
        lambda x, rate, rng, noise: degradation.opus(x, rate, 16),
        0.8,
        borrowed=True,
    ),
    SoundChange(
        "MP3, 32 kbit/s",
        MICROPHONE,
        lambda x, rate, rng, noise: degradation.mp3(x, rate, 32),
        0.8,
        borrowed=True,
    ),
    SoundChange(
        "level, -20 dB",
        MICROPHONE,
        lambda x, rate, rng, noise: degradation.gain(x, -20),
        0.8,
        borrowed=True,
    ),
    SoundChange(
        "made-up phone microphone",
        MICROPHONE,
        lambda x, rate, rng, noise: degradation.equaliser(x, rate, PHONE_MICROPHONE),
        0.8,
        borrowed=True,
    ),
    SoundChange(
        "made-up laptop microphone",
        MICROPHONE,
        lambda x, rate, rng, noise: degradation.equaliser(x, rate, LAPTOP_MICROPHONE),
        0.8,
        borrowed=True,
    ),
    SoundChange(
        "made-up small room, T60 0.3 s",
        ROOM,
        lambda x, rate, rng, noise: degradation.room(x, rate, 0.3),
        0.8,
        borrowed=True,
    ),
    SoundChange(
        "spectral tilt upward",
        TILT,
        lambda x, rate, rng, noise: degradation.tilt(x, rate, TILT_DB),
        0.8,
        -0.02,
    ),
    SoundChange(
        "spectral tilt downward",
        TILT,
        lambda x, rate, rng, noise: degradation.tilt(x, rate, -TILT_DB),
        0.8,
        -0.02,
    ),
)
"""In the order of the report."""
