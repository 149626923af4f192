"""One recording: whole up to a minute, by its timeline beyond, and by channel on request."""

import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import LABELS, RATE, VOICE, tiny_card, write_tiny

import sottovoce
from sottovoce import Audio, GateOptions, Model, Prediction, Segment, Status
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.inference.predictor import Predictor, PreparedRecording, run_network
from sottovoce.inference.recording import _Totals, long_recording_advice
from sottovoce.models.card import WindowPolicy
from sottovoce.options import PredictOptions


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return Audio.read(VOICE, sample_rate=RATE).samples[0]


@pytest.fixture(scope="module")
def long(voice: np.ndarray) -> np.ndarray:
    """72 s: the voice, louder and quieter, duller and brighter, with pauses."""
    rng, parts = np.random.default_rng(5), []
    while sum(map(len, parts)) < 72 * RATE:
        kind = np.convolve(voice, [(1.0,), (1, 1), (1, -0.9)][len(parts) % 3], "same")
        part = (rng.uniform(0.05, 0.4) * kind).astype(np.float32)
        parts.append(np.concatenate([part, np.zeros(RATE // 2, np.float32)]))
    return np.concatenate(parts)[: 72 * RATE]


def leading(model: Model, source: Any, **options: Any) -> str:
    """The emotion with the most time."""
    timeline = model.timeline(source, **options)
    for _ in timeline:
        pass
    shares = timeline.summary().shares
    return max(shares, key=shares.__getitem__)


# -- whole or by its timeline ----------------------------------------------------------------------


def test_up_to_a_minute_a_recording_is_heard_as_a_whole(model: Model, long: np.ndarray) -> None:
    minute = long[: 60 * RATE]
    predictor = Predictor(model.card, PredictOptions())
    prepared = predictor.preprocess((minute, RATE))
    assert isinstance(prepared, PreparedRecording)
    expected = run_network(predictor, model.network(None), prepared)
    assert model.predict((minute, RATE)) == expected
    assert expected.message == ""
    beyond = model.predict((long[: 60 * RATE + 1], RATE))
    assert beyond.message == long_recording_advice(60)
    assert beyond.probabilities != expected.probabilities


def test_a_long_one_is_the_same_from_every_source_alone_and_among_many(
    model: Model, long: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, long, RATE, subtype="FLOAT")
    expected = model.predict((long, RATE))
    assert expected.duration == 72
    assert expected.emotion == leading(model, path)
    named = expected.model_copy(update={"source": str(path)})
    assert model.predict(path) == named
    assert model.predict(path.read_bytes()) == expected
    assert list(model.predict_many([path, VOICE, path], workers=2))[::2] == [named, named]


def test_predict_and_timeline_never_disagree_on_the_leading_emotion(ravdess: Path) -> None:
    """Clips of all emotions one after another, 65 s each, as another person's words follow."""
    model, clips = sottovoce.load(), sorted(ravdess.rglob("*.flac"))
    for seed in range(5):
        rng, parts, size = np.random.default_rng(seed), [], 0
        while size < 65 * RATE:
            parts.append(Audio.read(clips[rng.integers(len(clips))], sample_rate=RATE).samples[0])
            size += parts[-1].size
        recording = np.concatenate(parts), RATE
        prediction = model.predict(recording)
        assert prediction.emotion == leading(model, recording)
        assert prediction.emotion == max(prediction.probabilities, key=prediction.probabilities.get)
        assert "timeline says which is heard when" in prediction.message


def test_a_minute_and_more_of_one_emotion_is_as_sure_as_its_segments(
    model: Model, voice: np.ndarray
) -> None:
    same = np.tile(np.concatenate([voice, np.zeros(RATE // 2, np.float32)]), 17), RATE
    segments = [one for one in model.timeline(same) if one.emotion]
    assert len({one.emotion for one in segments}) == 1
    lengths = [one.duration for one in segments]
    mean = np.average([one.confidence for one in segments], weights=lengths)
    assert model.predict(same).confidence == pytest.approx(mean)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(LABELS),
            st.floats(0, 1),
            st.floats(0.1, 9),
            st.sampled_from([Status.OK, Status.UNCERTAIN]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_more_time_the_likelier(
    told: list[tuple[str, float, float, Status]],
) -> None:
    totals, start = _Totals(), 0.0
    for emotion, confidence, seconds, status in told:
        totals.add(
            Segment(
                start=start,
                end=start + seconds,
                status=status,
                emotion=emotion,
                confidence=confidence,
            )
        )
        start += seconds
    chances = totals.probabilities(tiny_card())
    times = totals.times(tiny_card())
    assert sum(chances.values()) == pytest.approx(1)
    assert all(chance >= 0 for chance in chances.values())
    ordered = [chances[label] for label in sorted(times, key=times.__getitem__)]
    assert ordered == pytest.approx(sorted(ordered))


def test_below_the_minimum_confidence_it_is_uncertain_and_says_both(
    model: Model, long: np.ndarray
) -> None:
    prediction = model.predict((long, RATE), min_confidence=1.0)
    assert prediction.status is Status.UNCERTAIN
    assert prediction.message == f"no emotion stands out; {long_recording_advice(72)}"


@pytest.mark.parametrize(("level", "status"), [(0.0, Status.SILENCE), (0.02, Status.NO_SPEECH)])
def test_a_long_one_without_speech_says_so(model: Model, level: float, status: Status) -> None:
    noise = np.random.default_rng(0).normal(0, level, 61 * RATE).astype(np.float32)
    prediction = model.predict((noise, RATE))
    assert prediction.status is status
    assert prediction.message == status.words.sentence
    assert prediction.emotion is None
    assert prediction.duration == 61


def test_the_gate_may_need_more_than_a_window_has(model: Model, long: np.ndarray) -> None:
    gate = GateOptions(min_duration=3)
    expected = leading(model, (long, RATE), gate=gate)
    assert model.predict((long, RATE), gate=GateOptions(min_duration=20)).emotion == expected
    short = model.predict((long, RATE), gate=GateOptions(min_duration=100))
    assert short.status is Status.TOO_SHORT
    assert short.message == "too short to judge, 100 s are needed"


def test_a_model_that_hears_less_than_a_window_at_once_judges_long_ones_too(
    tmp_path: Path, long: np.ndarray
) -> None:
    window = WindowPolicy(trim="none", margin=0, grid=0.25, min=0.5, max=2.0)
    model = Model.open(write_tiny(tmp_path / "m.onnx", card=tiny_card(window=window)))
    assert model.predict((long, RATE)).emotion == leading(model, (long, RATE), window=2)


def test_a_long_one_whose_answers_are_no_numbers_is_an_error(
    tmp_path: Path, long: np.ndarray
) -> None:
    def no_number(graph):
        (floor,) = (tensor for tensor in graph.graph.initializer if tensor.name == "floor")
        floor.raw_data = np.float32(-0.02).tobytes()

    path = write_tiny(tmp_path / "m.onnx", change=no_number)
    quiet = long * np.float32(0.005 / np.abs(long).max())
    with pytest.raises(SottovoceError, match="not a number"):
        Model.open(path).predict((quiet, RATE))


def test_a_long_one_that_was_never_scaled_is_named(
    model: Model, long: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(path, 30_000 * long, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"loud\.wav: samples reach"):
        model.predict(path)


def test_memory_does_not_grow_with_the_recording(model: Model, long: np.ndarray) -> None:
    def peak(times: int) -> int:
        data = io.BytesIO()
        soundfile.write(data, np.tile(long, times), RATE, format="WAV")
        tracemalloc.start()
        try:
            assert model.predict(data).emotion
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # what is made once
    assert peak(6) < 1.3 * peak(1)


def test_what_watches_may_end_it(model: Model, long: np.ndarray) -> None:
    def stop(seconds: float, samples: int) -> None:
        if seconds > 65:
            raise KeyError(seconds)

    with pytest.raises(KeyError):
        model.predict_channels((long, RATE), channels="mix", watch=stop)


# -- channels --------------------------------------------------------------------------------------


def channelled(predictions: list[Prediction]) -> list[tuple[int | None, Status]]:
    return [(one.channel, one.status) for one in predictions]


def test_each_channel_is_judged_as_if_alone(model: Model, voice: np.ndarray) -> None:
    other = np.convolve(voice, [1, -0.9], "same").astype(np.float32)
    silent = np.zeros_like(voice)
    found = model.predict_channels((np.stack([voice, silent, other]), RATE))
    expected = [(1, Status.OK), (2, Status.SILENCE), (3, Status.OK)]
    assert channelled(found) == expected
    for channel, samples in ((1, voice), (2, silent), (3, other)):
        alone = model.predict((samples, RATE))
        assert found[channel - 1] == alone.model_copy(update={"channel": channel})
    assert found[0].probabilities != found[2].probabilities
    assert model.predict_channels((voice, RATE))[0].channel == 1


def test_many_recordings_give_a_prediction_a_channel_in_order(
    model: Model, voice: np.ndarray, tmp_path: Path
) -> None:
    both = np.stack([voice, 0.5 * voice]), RATE
    sources = [both, tmp_path / "missing.wav", (voice, RATE), both]
    found = list(model.predict_many(sources, channels="split", workers=2))
    ok, missing = Status.OK, (None, Status.ERROR)
    assert channelled(found) == [(1, ok), (2, ok), missing, (1, ok), (1, ok), (2, ok)]
    for one, again in zip(found[:2], model.predict_channels(both), strict=True):
        assert one.probabilities == pytest.approx(again.probabilities, abs=1e-6)
    mixed = list(model.predict_many(sources))
    assert [one.channel for one in mixed] == [None] * 4


def test_long_channels_are_judged_as_if_alone(model: Model, long: np.ndarray) -> None:
    other = np.roll(long[::-1], 9999)
    found = model.predict_channels((np.stack([long, other]), RATE))
    for channel, samples in ((1, long), (2, other)):
        alone = model.predict((samples, RATE))
        assert found[channel - 1] == alone.model_copy(update={"channel": channel})


def test_another_way_with_channels_is_refused(model: Model) -> None:
    with pytest.raises(SottovoceError, match="channels is 'both'; expected mix or split"):
        model.predict_many(VOICE, channels="both")  # type: ignore[arg-type]
