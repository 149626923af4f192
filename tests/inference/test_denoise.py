"""Noise reduction: it takes noise off speech, the network alone hears it, and it is off."""

import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_model import VOICE, write_tiny_profiled

from sottovoce.audio import Audio
from sottovoce.errors import MissingExtraError
from sottovoce.inference.denoise import reduce_noise
from sottovoce.models.model import Model

RATE = 16_000


@pytest.fixture(scope="module")
def noisy() -> Audio:
    """The sample voice in white noise."""
    voice = Audio.read(VOICE, sample_rate=RATE).samples[0]
    noise = np.random.default_rng(0).normal(0, 0.02, voice.size)
    return Audio((voice + noise).astype(np.float32), RATE)


def test_noise_falls_further_than_speech(noisy: Audio) -> None:
    voice = Audio.read(VOICE, sample_rate=RATE).samples[0]
    found = reduce_noise(noisy.samples[0], RATE)
    assert found.shape == voice.shape
    assert found.dtype == np.float32
    before, after = (np.linalg.norm(each - voice) for each in (noisy.samples[0], found))
    assert after < before
    noise = np.random.default_rng(1).normal(0, 0.02, 2 * RATE).astype(np.float32)
    assert np.linalg.norm(reduce_noise(noise, RATE)) < 0.85 * np.linalg.norm(noise)


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.float32), np.ones(100, np.float32)])
def test_silence_and_clips_too_short_to_gate_stay_as_they_are(samples: np.ndarray) -> None:
    assert np.array_equal(reduce_noise(samples, RATE), samples)


def test_the_network_hears_it_in_every_way_of_asking(noisy: Audio, tmp_path: Path) -> None:
    model = Model.open(write_tiny_profiled(tmp_path / "model.onnx"))
    plain, found = model.predict(noisy), model.predict(noisy, denoise=True)
    assert found.probabilities != plain.probabilities
    assert found.duration == plain.duration
    assert next(model.predict_many([noisy], denoise=True)) == found
    profile = model.profile([VOICE])
    with_profile = [model.predict(noisy, profile=profile, denoise=on) for on in (True, False)]
    assert with_profile[0].probabilities != with_profile[1].probabilities
    for more in ({}, {"same_voice": True}):
        segments = list(model.timeline(noisy, lookahead=0.3, denoise=True, **more))
        assert segments != list(model.timeline(noisy, lookahead=0.3, **more))
    stream = model.stream(RATE, denoise=True)
    heard = [*stream.feed(noisy.samples), *stream.finish()]
    assert heard == list(model.timeline(noisy, lookahead=0.3, denoise=True))


def test_without_the_extra_it_says_what_to_install(
    noisy: Audio, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "noisereduce", None)
    with pytest.raises(MissingExtraError, match="noise reduction needs noisereduce; run: ") as e:
        model.predict_many([noisy], denoise=True)
    assert "denoise" in str(e.value).partition("run: ")[2]
    assert model.predict(noisy).probabilities
