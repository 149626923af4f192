"""The changes of sound that an audit asks a model to be robust to, and how robust."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sottovoce.audio import Samples
from sottovoce.learn.data import degradation as change
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.evaluate.audit.requirements import Threshold

SMALL = "Robustness Small Changes"
BACKGROUND = "Robustness Background Noise"
PHONE = "Robustness Low Quality Phone"
ROOM = "Robustness Simulated Recording Condition"
MICROPHONE = "Robustness Recording Condition"
TILT = "Robustness Spectral Tilt"

PHONE_MICROPHONE = ((150.0, -24.0), (400.0, -4.0), (1000.0, 0.0), (3500.0, 4.0), (7000.0, -12.0))
LAPTOP_MICROPHONE = ((80.0, -12.0), (250.0, 0.0), (1200.0, -5.0), (3000.0, 5.0), (8000.0, -6.0))
"""(Hz, dB); ours, after what such microphones commonly do: little bass, and a peak at some kHz."""

TILT_DB = 12.0
"""Between 0 Hz and half the rate; ours, since ser-tests has impulse responses without figures."""

COUNTS = (100, 500, 1000)
"""Samples."""

Apply = Callable[[Samples, int, np.random.Generator], Samples]
"""(samples, rate, generator) -> samples."""


@dataclass(frozen=True, slots=True)
class SoundChange:
    """One change of sound, and what is required of a model that hears it.

    Attributes:
        name: in words.
        apply: changes a clip; what it draws depends on the generator alone. Or else a
            signal-to-noise ratio in dB, at which recordings of noise are added.
        test: of ser-tests, from which the thresholds are; "" where none is published.
        unchanged: fraction of the predictions of which more must stay as they were.
        uar: change of UAR and of UAP that must stay above this, where the test asks for it.
        borrowed: whether `test` asks this of another change, the closest to this one.
    """

    name: str
    apply: Apply | float
    test: str = ""
    unchanged: float | None = None
    uar: float | None = None
    borrowed: bool = False

    def threshold(self, least: float | None) -> Threshold | None:
        """Make a threshold of one of the two; None where there is none."""
        return None if least is None else Threshold(self.test, least=least, borrowed=self.borrowed)


def noise_at(snr_db: float, noise: ClipStore) -> Apply:
    """Make the change that adds one of some recordings of noise at a ratio in dB."""

    def apply(x: Samples, rate: int, rng: np.random.Generator) -> Samples:
        recording = noise[int(rng.integers(len(noise)))]
        return change.add_noise_at(x, recording, snr_db, rng)

    return apply


_SMALL: Mapping[str, Apply] = {
    "additive tone, 5 to 7 kHz, 40 to 50 dB": lambda x, rate, rng: change.tone(
        x, rate, rng.uniform(5000, 7000), rng.choice((40, 45, 50))
    ),
    "100 to 1000 zeros appended": lambda x, rate, rng: change.pad(x, end=rng.choice(COUNTS)),
    "100 to 1000 zeros prepended": lambda x, rate, rng: change.pad(x, start=rng.choice(COUNTS)),
    "0.1 to 0.3 % clipped": lambda x, rate, rng: change.clip(x, rng.choice((0.001, 0.002, 0.003))),
    "100 to 1000 samples cropped at the beginning": lambda x, rate, rng: change.crop(
        x, start=rng.choice(COUNTS)
    ),
    "100 to 1000 samples cropped at the end": lambda x, rate, rng: change.crop(
        x, end=rng.choice(COUNTS)
    ),
    "gain, -2 to 2 dB": lambda x, rate, rng: change.gain(x, rng.choice((-2, -1, 1, 2))),
    "high pass, 50 to 150 Hz": lambda x, rate, rng: change.high_pass(
        x, rate, rng.choice((50, 100, 150))
    ),
    "low pass, 6.5 to 7.5 kHz": lambda x, rate, rng: change.low_pass(
        x, rate, rng.choice((6500, 7000, 7500))
    ),
    "white noise, 35 to 45 dB": lambda x, rate, rng: change.white_noise(
        x, rng.choice((35, 40, 45)), rng
    ),
}

_RECORDING: Mapping[str, Apply] = {
    "Opus, 16 kbit/s": lambda x, rate, rng: change.opus(x, rate, 16),
    "MP3, 32 kbit/s": lambda x, rate, rng: change.mp3(x, rate, 32),
    "level, -20 dB": lambda x, rate, rng: change.gain(x, -20),
    "simulated phone microphone": lambda x, rate, rng: change.equaliser(x, rate, PHONE_MICROPHONE),
    "simulated laptop microphone": lambda x, rate, rng: change.equaliser(
        x, rate, LAPTOP_MICROPHONE
    ),
}


def _telephone(x: Samples, rate: int, rng: np.random.Generator) -> Samples:
    return change.mu_law(x, rate)


def _room(x: Samples, rate: int, rng: np.random.Generator) -> Samples:
    return change.room(x, rate, 0.3)


def _white_noise(x: Samples, rate: int, rng: np.random.Generator) -> Samples:
    return change.white_noise(x, 20, rng)


def _upward(x: Samples, rate: int, rng: np.random.Generator) -> Samples:
    return change.tilt(x, rate, TILT_DB)


def _downward(x: Samples, rate: int, rng: np.random.Generator) -> Samples:
    return change.tilt(x, rate, -TILT_DB)


CHANGES = (
    *(SoundChange(name, apply, SMALL, 0.95) for name, apply in _SMALL.items()),
    SoundChange("white noise, 20 dB", _white_noise, BACKGROUND, 0.9, -0.05),
    SoundChange("background noise, 20 dB", 20.0, BACKGROUND, 0.9, -0.05),
    SoundChange("background noise, 10 dB", 10.0),
    SoundChange("background noise, 5 dB", 5.0),
    SoundChange("telephone, 8 kHz mu-law", _telephone, PHONE, 0.5, -0.05, borrowed=True),
    *(
        SoundChange(name, apply, MICROPHONE, 0.8, borrowed=True)
        for name, apply in _RECORDING.items()
    ),
    SoundChange("simulated small room, T60 0.3 s", _room, ROOM, 0.8, borrowed=True),
    SoundChange("spectral tilt upward", _upward, TILT, 0.8, -0.02),
    SoundChange("spectral tilt downward", _downward, TILT, 0.8, -0.02),
)
"""In the order of the report."""
