"""Embeddings: the vectors before the classifier, and that one run of the network gives all."""

from pathlib import Path

import numpy as np
import pytest
from tiny_model import LABELS, RATE, VOICE, write_tiny, write_tiny_profiled

from sottovoce import Audio, Model, Prediction, Status, load
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.inference.adapt import adapt
from sottovoce.models.model_file import with_card
from sottovoce.models.network import ModelNetwork


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return load(write_tiny_profiled(tmp_path / "profiled.onnx"))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many clips each run of a network had."""
    counted: list[int] = []
    plain = ModelNetwork.run

    def run(self, batch, baselines=None):
        counted.append(len(batch))
        return plain(self, batch, baselines)

    monkeypatch.setattr(ModelNetwork, "run", run)
    return counted


def test_an_embedding_is_what_a_profile_of_that_recording_is_the_mean_of(model: Model) -> None:
    vector = model.embed(VOICE)
    assert (vector.shape, vector.dtype) == ((4,), np.float32)
    assert model.profile([VOICE]).mean == pytest.approx(vector.tolist())


def test_twice_as_loud_moves_the_tiny_model_s_logarithms_by_as_much(model: Model) -> None:
    voice = Audio.read(VOICE)
    louder = Audio(voice.samples * 2, voice.sample_rate)
    moved = model.embed(louder) - model.embed(voice)
    assert moved == pytest.approx(np.log(2), abs=0.1)  # a floor stands under the logarithm


def test_an_embedding_of_several_pieces_is_their_mean(model: Model) -> None:
    """The tiny model hears 6 s at once, and its level is a mean over time."""
    voice = np.tile(Audio.read(VOICE, sample_rate=RATE).samples[0], 4)
    assert model.embed((voice, RATE)) == pytest.approx(model.embed(VOICE), abs=0.3)


def test_many_come_in_order_with_a_prediction_where_there_is_none(
    model: Model, tmp_path: Path
) -> None:
    silence = Audio(np.zeros(RATE, np.float32), RATE)
    missing = tmp_path / "missing.wav"
    first, second, third, last = model.embed_many([VOICE, silence, missing, VOICE], workers=2)
    np.testing.assert_array_equal(first, model.embed(VOICE))
    np.testing.assert_array_equal(first, last)
    assert isinstance(second, Prediction)
    assert second.status is Status.SILENCE
    assert isinstance(third, Prediction)
    assert third.status is Status.ERROR
    assert "missing.wav" in third.message


def test_without_speech_there_is_nothing_to_embed(model: Model) -> None:
    with pytest.raises(AudioError, match=r"^the array given: the recording is silent; there is"):
        model.embed((np.zeros(RATE, np.float32), RATE))


def test_a_model_without_an_embedding_says_so(tmp_path: Path) -> None:
    plain = load(write_tiny(tmp_path / "tiny.onnx"))
    for ask in (plain.embed, plain.embed_many):
        with pytest.raises(SottovoceError, match=r"^tiny 1.0 gives no embeddings; use a model"):
            ask(VOICE)


def voices(count: int) -> list[tuple[Audio, str]]:
    voice = Audio.read(VOICE)
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        level = (0.3, 1.0)[number % 2] * rng.uniform(0.8, 1.0)
        made.append(
            (Audio(voice.samples * np.float32(level), voice.sample_rate), LABELS[number % 2])
        )
    return made


def test_an_adapted_model_s_embedding_is_that_of_the_model_that_was_adapted(
    model: Model, tmp_path: Path
) -> None:
    made = adapt(model, voices(6))
    data = (tmp_path / "profiled.onnx").read_bytes()
    (tmp_path / "mine.onnx").write_bytes(with_card(data, made.card.to_json()))
    np.testing.assert_array_equal(load(tmp_path / "mine.onnx").embed(VOICE), model.embed(VOICE))


def test_adapting_runs_the_network_twice_a_recording(model: Model, runs: list[int]) -> None:
    """Once for the embedding and what it says without a profile, once with that of all."""
    adapt(model, voices(6))
    assert sum(runs) == 12


def test_a_timeline_against_itself_runs_the_network_twice_a_window(
    model: Model, runs: list[int]
) -> None:
    """Once to get to know the voice, once to judge it."""
    segments = list(model.timeline(VOICE, same_voice=True, workers=1))
    judged = sum(segment.emotion is not None for segment in segments)
    assert judged >= 3
    assert sum(runs) == 2 * judged
