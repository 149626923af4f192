"""Why: what a part was worth is found where the network looks, and nowhere else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_model import VOICE, tiny_card

import sottovoce
from sottovoce.audio import Audio
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.inference.occlusion import _raised_cosines, explain
from sottovoce.models.card import WindowPolicy
from sottovoce.models.model import Model
from sottovoce.models.network import ModelNetwork
from sottovoce.options import GateOptions

RATE = 16_000
OPEN = GateOptions(min_duration=0, silence_rms=0, speech_threshold=0, min_speech=0)
"""Lets everything through."""


class Scripted(Model):
    """A model whose answer is a function of the samples."""

    def __init__(self, loudness: Callable[[NDArray[np.float32]], NDArray[np.float64]]) -> None:
        window = WindowPolicy(trim="none", margin=0, grid=0.01, min=0.5, max=10.0)
        card = tiny_card(labels=("loud", "quiet"), window=window.model_dump())
        super().__init__(ModelNetwork(card, None, None, ""))  # type: ignore[arg-type]
        self._loudness = loudness

    def probabilities(self, batch: NDArray[np.floating]) -> NDArray[np.float32]:
        loud = np.clip(self._loudness(np.asarray(batch, np.float32)), 0, 1)
        return np.stack([loud, 1 - loud], axis=1).astype(np.float32)


def noise(seconds: float) -> Audio:
    samples = np.random.default_rng(3).normal(0, 0.1, round(seconds * RATE))
    return Audio(samples.astype(np.float32), RATE)


def power(batch: NDArray[np.float32], start: float, end: float) -> NDArray[np.float64]:
    part = batch[:, round(start * RATE) : round(end * RATE)].astype(np.float64)
    return 60 * (part**2).mean(axis=1)


def band_power(batch: NDArray[np.float32], low: float, high: float) -> NDArray[np.float64]:
    spectra = np.abs(np.fft.rfft(batch.astype(np.float64), axis=1)) ** 2
    at = np.fft.rfftfreq(batch.shape[1], 1 / RATE)
    return spectra[:, (at >= low) & (at < high)].sum(axis=1) / spectra.shape[1] ** 2 * 60


@pytest.mark.parametrize("count", [2, 3, 17])
def test_the_parts_of_a_recording_add_up_to_it(count: int) -> None:
    edges = np.linspace(10.0, 90.0, count + 1)
    parts = np.array(_raised_cosines(np.arange(-20, 130), edges))

    assert np.allclose(parts.sum(axis=0), 1, atol=1e-6)
    assert (parts >= 0).all()
    assert parts[:, 0] == pytest.approx([1, *[0] * (count - 1)])


def test_a_moment_that_alone_decides_is_found() -> None:
    model = Scripted(lambda batch: power(batch, 1.0, 1.25))

    found = explain(model, noise(3.0), gate=OPEN)

    assert found.emotion == "loud"
    assert found.moments[0] == 0
    assert found.moments[-1] == pytest.approx(3.0)
    best = int(found.by_moment.argmax())
    assert found.moments[best] == pytest.approx(1.0)
    far = np.abs(np.arange(found.by_moment.size) - best) > 1
    assert np.abs(found.by_moment[far]).max() < 1e-6
    assert found.stretch is not None
    assert found.stretch[0] <= 1.0
    assert found.stretch[1] >= 1.25


def test_a_band_that_alone_decides_is_found() -> None:
    model = Scripted(lambda batch: 12 * band_power(batch, 2200.0, 2800.0))

    found = explain(model, noise(2.0), gate=OPEN, bands=12)

    best = int(found.by_band.argmax())
    assert found.bands[best] < 2800
    assert found.bands[best + 1] > 2200
    far = (found.bands[1:] < 1200) | (found.bands[:-1] > 4000)
    assert far.sum() >= 4
    assert np.abs(found.by_band[far]).max() < 0.02 * found.by_band.max()
    assert found.range is not None
    assert found.range[0] <= 2200 <= 2800 <= found.range[1]


def test_a_cell_is_one_band_in_one_moment() -> None:
    def both(batch: NDArray[np.float32]) -> NDArray[np.float64]:
        return 5 * band_power(batch[:, round(0.5 * RATE) : round(0.75 * RATE)], 3000.0, 4000.0)

    found = explain(Scripted(both), noise(2.0), gate=OPEN, cells=True)

    assert found.cells is not None
    assert found.cells.shape == (10, 8)
    band, moment = np.unravel_index(found.cells.argmax(), found.cells.shape)
    assert found.moments[moment] == pytest.approx(0.5)
    assert found.bands[band] < 4000
    assert found.bands[band + 1] > 3000


def test_what_speaks_against_the_emotion_is_below_zero() -> None:
    model = Scripted(lambda batch: 0.9 - 0.3 * power(batch, 0.0, 0.5))

    found = explain(model, noise(2.0), gate=OPEN)

    assert found.by_moment[:2].max() < 0
    assert found.by_moment[4:] == pytest.approx(0, abs=1e-6)
    assert found.stretch is None


def test_times_are_those_of_the_recording_and_not_of_what_was_trimmed() -> None:
    voice = Audio.read(VOICE, sample_rate=RATE)
    silent = np.zeros(2 * RATE, np.float32)
    later = Audio(np.concatenate([silent, voice.samples[0]]), RATE)
    model = sottovoce.load()

    there, then = explain(model, voice), explain(model, later)

    assert then.emotion == there.emotion
    # The detector's frames of 32 ms fall elsewhere, and so does the trimming by one or two.
    assert then.moments[0] - there.moments[0] == pytest.approx(2.0, abs=0.1)
    assert there.stretch is not None
    assert then.stretch is not None
    assert then.stretch[0] - there.stretch[0] == pytest.approx(2.0, abs=0.35)


def test_the_probability_is_the_predictions() -> None:
    model = sottovoce.load()

    found, prediction = explain(model, VOICE), model.predict(VOICE)

    assert found.emotion == prediction.emotion
    assert found.probability == pytest.approx(prediction.confidence, abs=1e-5)


def test_a_padded_recording_has_its_own_times() -> None:
    window = WindowPolicy(trim="none", margin=0, grid=0.25, min=2.0, max=10.0)
    model = Scripted(lambda batch: 3 * power(batch, 0.0, 2.0))
    model._card = model.card.model_copy(update={"window": window})

    found = explain(model, noise(1.0), gate=OPEN)

    assert found.moments[0] == 0
    assert found.moments[-1] == pytest.approx(1.0)
    assert (found.by_moment > 0).all()


def test_nothing_to_judge_and_too_much_are_refused_in_one_line(ravdess: Path) -> None:
    model = sottovoce.load()
    with pytest.raises(AudioError, match="silence; there is no decision"):
        explain(model, Audio(np.zeros(RATE, np.float32), RATE))
    with pytest.raises(SottovoceError, match="2 or more"):
        explain(model, noise(1.0), bands=1)
    clip = Audio.read(sorted(ravdess.rglob("*.flac"))[0], sample_rate=RATE)
    long = Audio(np.tile(clip.samples[0], 12), RATE)
    with pytest.raises(SottovoceError, match="longer than the 30 s"):
        explain(model, long)
