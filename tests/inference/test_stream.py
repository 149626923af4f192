"""A stream: however it is fed, its segments are those of the whole, in memory that stays."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_model import RATE, VOICE, tiny_card, write_tiny

from sottovoce import Audio, Model, SottovoceError, Status
from sottovoce.errors import AudioError
from sottovoce.inference.framing import Framer
from sottovoce.inference.predictor import PreparedRecording
from sottovoce.options import GateOptions, TimelineOptions
from sottovoce.vad.gate import Gate
from sottovoce.vad.silero import FRAME, SpeechDetector, speech_probabilities

FEW = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def voice():
    """Speech, a long pause, noise, quieter speech: (samples,) at `RATE`."""
    speech = Audio.read(VOICE, sample_rate=RATE).samples[0]
    noise = np.random.default_rng(0).normal(0, 0.01, 2 * RATE).astype(np.float32)
    return np.concatenate([speech, np.zeros(2 * RATE, np.float32), noise, 0.3 * speech])


def pieces(samples, sizes):
    """Samples cut into pieces of these sizes, over and over."""
    start = turn = 0
    while start < samples.shape[-1]:
        size = sizes[turn % len(sizes)]
        yield samples[..., start : start + size]
        start, turn = start + size, turn + 1


def streamed(model, samples, rate, sizes, **options):
    stream = model.stream(rate, **options)
    segments = [segment for piece in pieces(samples, sizes) for segment in stream.feed(piece)]
    return segments + stream.finish()


# -- the same however it is fed --------------------------------------------------------------------


@FEW
@given(sizes=st.lists(st.integers(1, 70_000), min_size=1, max_size=5).filter(lambda s: sum(s) > 99))
@pytest.mark.parametrize("rate", [RATE, 44_100, 8_000])
def test_any_pieces_give_the_segments_of_the_timeline(model, voice, rate, sizes):
    samples = Audio(voice, RATE).resample(rate).samples[0]
    found = streamed(model, samples, rate, sizes, lookahead=3)
    assert found == list(model.timeline((samples, rate)))


@FEW
@given(
    sizes=st.lists(st.integers(100, 70_000), min_size=1, max_size=4),
    options=st.fixed_dictionaries(
        {
            "window": st.sampled_from([1.0, 1.7, 3.0]),
            "hop": st.sampled_from([0.3, 0.5, 1.0]),
            "lookahead": st.sampled_from([0.0, 0.3, 2.0]),
            "smoothing": st.sampled_from(["off", "mean", "hmm"]),
            "hold": st.sampled_from([0.0, 2.0]),
            "channels": st.sampled_from(["mix", "split"]),
        }
    ),
)
def test_any_pieces_and_options_give_the_segments_of_the_timeline(model, voice, sizes, options):
    both = np.stack([voice, np.roll(voice, 3 * RATE)])
    assert streamed(model, both, RATE, sizes, **options) == list(
        model.timeline((both, RATE), **options)
    )


def test_a_model_at_another_rate_hears_the_same_windows_however_it_is_fed(tmp_path, voice):
    card = tiny_card(sample_rate=22_050)
    model = Model.open(write_tiny(tmp_path / "m.onnx", card=card))
    whole = streamed(model, voice, RATE, [voice.size])
    assert streamed(model, voice, RATE, [320]) == whole
    assert {segment.status for segment in whole} >= {Status.OK, Status.SILENCE}


@FEW
@given(frames=st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_the_speech_detector_says_the_same_piece_by_piece(voice, frames):
    detector = SpeechDetector()
    found = [detector.feed(piece) for piece in pieces(voice, [FRAME * n for n in frames])]
    np.testing.assert_allclose(np.concatenate(found), speech_probabilities(voice), atol=1e-6)


def test_samples_of_any_kind_are_taken_as_audio_takes_them(model, voice):
    whole = (voice * 32767).astype(np.int16)
    floats = (whole / 32768).astype(np.float32)
    assert streamed(model, whole, RATE, [5000]) == streamed(model, floats, RATE, [5000])


@pytest.mark.parametrize("rate", [RATE, 22_050])
def test_a_buffer_may_be_used_again(model, voice, rate):
    stream, buffer, found = model.stream(rate), np.empty(1000, np.float32), []
    for piece in pieces(voice, [1000]):
        buffer[: piece.size] = piece
        found += stream.feed(buffer[: piece.size])
        buffer[:] = 0.9
    assert found + stream.finish() == streamed(model, voice, rate, [voice.size])


# -- what becomes final, and when ------------------------------------------------------------------


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_a_segment_is_final_the_lookahead_after_its_end(model, voice, rate):
    samples = Audio(voice, RATE).resample(rate).samples[0]
    stream, size, fed = model.stream(rate), rate // 50, 0
    for piece in pieces(samples, [size]):
        fed += piece.size
        for segment in stream.feed(piece):
            late = fed / rate - segment.end
            assert 0.3 <= late + 1e-9 < 0.3 + 0.02 + (0.001 if rate == RATE else 0.06)


def test_each_hop_that_is_looked_ahead_beyond_the_window_s_middle_delays_by_a_hop(model, voice):
    stream = model.stream(RATE, window=3, hop=1, lookahead=3)
    finals = [len(stream.feed(piece)) for piece in pieces(voice, [RATE])]
    assert finals[:6] == [0, 0, 0, 1, 1, 1]


def test_the_words_of_a_default_stream_have_their_label_within_a_second_and_a_half():
    plan = TimelineOptions()
    assert plan.hop + plan.lookahead <= 1.4  # the rest is for resampling and the network
    assert plan.lookahead_windows == 0


def test_the_segments_follow_one_another_to_the_end(model, voice):
    segments = streamed(model, voice, RATE, [12_345])
    assert segments[0].start == 0
    assert segments[-1].end == voice.size / RATE
    for segment, following in itertools.pairwise(segments):
        assert segment.end == following.start
    assert {round(segment.duration, 9) for segment in segments[:-1]} == {1.0}


def test_a_stream_that_ends_on_the_grid_has_no_empty_last_segment(model, voice):
    segments = streamed(model, voice[: 5 * RATE], RATE, [4000])
    assert [segment.end for segment in segments] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("samples", [0, 1, 100, 5000])
def test_a_stream_too_short_to_judge_says_so(model, samples):
    segments = streamed(model, np.full(samples, 0.1, np.float32), RATE, [50])
    assert [segment.status for segment in segments] == [Status.TOO_SHORT] * (samples > 0)


def test_finishing_ends_it(model, voice):
    stream = model.stream(RATE)
    stream.feed(voice)
    assert stream.finish()
    assert stream.finish() == []
    with pytest.raises(SottovoceError, match="finished"):
        stream.feed(voice)


def test_streams_of_one_model_do_not_disturb_each_other(model, voice):
    first, second = model.stream(RATE), model.stream(RATE)
    found = []
    for piece in pieces(voice, [4000]):
        found += first.feed(piece)
        second.feed(np.roll(piece, 99))
    assert found + first.finish() == streamed(model, voice, RATE, [voice.size])


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([1e6, 0.0]), "scale them"),
        (np.zeros((2, 100)), "2 channels; expected 1"),
        (np.zeros((2, 2, 2)), "shape"),
        (np.array(["a"]), "floats"),
    ],
)
def test_a_piece_that_is_refused_leaves_the_stream_as_it_was(model, voice, bad, why):
    stream, found = model.stream(RATE, channels="split"), []
    for piece in pieces(voice, [20_000]):
        found += stream.feed(piece)
        with pytest.raises(AudioError, match=why) as refused:
            stream.feed(bad)
        assert "\n" not in str(refused.value)
    expected = streamed(model, voice, RATE, [voice.size], channels="split")
    assert found + stream.finish() == expected


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"hop": 0}, "hop is 0 s; expected 0.1 s to 60 s"),
        ({"hop": float("nan")}, "hop is nan"),
        ({"window": 0.5, "hop": 1}, "at least the hop"),
        ({"window": 7}, "to 6 s, what tiny 1.0 hears at once"),
        ({"window": 0.3, "hop": 0.3}, "expected 0.5 s, the gate's shortest"),
        ({"lookahead": -1}, "lookahead is -1 s"),
        ({"hold": float("inf")}, "hold is inf"),
        ({"lookahead": 61}, "lookahead is 61 s; expected 0 s to 60 s"),
        ({"smoothing": "median"}, "smoothing is 'median'; expected off or mean or hmm"),
        ({"channels": "left"}, "channels is 'left'"),
        ({"min_confidence": 2}, "min_confidence is 2"),
    ],
)
def test_an_option_out_of_its_range_is_one_line(model, options, why):
    with pytest.raises(SottovoceError, match=why) as refused:
        model.stream(RATE, **options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("rate", [0, 16_000.5, "fast", None])
def test_a_sample_rate_that_is_none_is_refused(model, rate):
    with pytest.raises(AudioError, match="sample rate"):
        model.stream(rate)


# -- what is heard ---------------------------------------------------------------------------------


def test_a_window_holds_what_surrounds_its_segment(model, voice):
    plan = TimelineOptions(window=3, hop=1, lookahead=1)
    gate = Gate(GateOptions(speech_threshold=0, min_speech=0))
    framer = Framer(model.card, gate, plan, RATE)
    ramp = np.linspace(0.1, 0.9, 10 * RATE).astype(np.float32)
    ramp *= np.random.default_rng(0).choice([-1, 1], ramp.size)
    for frame in framer.feed(ramp):
        prepared = frame.prepare(model.card, gate)
        assert isinstance(prepared, PreparedRecording)
        (piece,) = prepared.pieces
        start, end = max(0.0, frame.start - 1), frame.end + 1
        np.testing.assert_array_equal(piece, ramp[round(start * RATE) : round(end * RATE)])


def test_no_more_is_kept_than_a_window_needs(model):
    """Also where every piece brings far more than a window."""
    noise = np.random.default_rng(0).normal(0, 0.05, 20 * RATE).astype(np.float32)
    stream = model.stream(22_050)

    def feed(times):
        for _ in range(times):
            stream.feed(noise)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        early = feed(2)
        late = feed(5)
    finally:
        tracemalloc.stop()
    assert late < early + 100_000


def test_a_quiet_person_is_heard_after_a_loud_one(model, voice, ravdess):
    path = ravdess / "Actor_13" / "03-01-02-01-01-01-13.flac"
    quiet = np.tile(0.1 * Audio.read(path, sample_rate=RATE).samples[0], 3)
    alone = streamed(model, quiet, RATE, [1600])
    after = streamed(model, np.concatenate([voice[: 3 * RATE], quiet]), RATE, [1600])[3:]
    late = [segment.status for segment in after[4:]]
    assert late.count(Status.OK) >= 4
    assert late == [segment.status for segment in alone[4:]]


def test_a_scream_is_heard_as_the_gate_hears_it(model, ravdess):
    path = ravdess / "Actor_06" / "03-01-05-02-02-02-06.flac"
    found = list(model.timeline(path))
    assert Status.OK in {item.status for item in found}


def test_noise_is_no_speech_and_a_pause_is_silence(model, voice):
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.02, 4 * RATE).astype(np.float32)
    quiet = rng.normal(0, 0.0001, 4 * RATE).astype(np.float32)
    speech = voice[: 3 * RATE]
    found = streamed(model, np.concatenate([speech, noise, speech, quiet]), RATE, [RATE])
    statuses = [item.status for item in found]
    assert statuses[1:3] == [Status.OK] * 2
    assert statuses[4:7] == [Status.NO_SPEECH] * 3
    assert statuses[11:] == [Status.SILENCE] * 3
    for item in found:
        assert (item.emotion is None) == (item.status is not Status.OK)
