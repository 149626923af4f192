"""A timeline: what is said of a recording while it is read."""

import io
import itertools
import tracemalloc

import numpy as np
import pytest
import soundfile
from tiny_model import LABELS, RATE, VOICE, tiny_card, write_tiny

import sottovoce
from sottovoce import Audio, GateOptions, Model, Status, Timeline
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.inference.segments import SummaryBuilder
from sottovoce.models.card import WindowPolicy
from sottovoce.vad.gate import Gate


@pytest.fixture(scope="module")
def voice():
    return Audio.read(VOICE, sample_rate=RATE).samples[0]


@pytest.fixture(scope="module")
def long(voice):
    """The voice and a pause of 2.6 s, five times over: 30 s."""
    pause = np.zeros(6 * RATE - voice.size, np.float32)
    return np.tile(np.concatenate([voice, pause]), 5)


# -- the segments ----------------------------------------------------------------------------------


def test_a_timeline_is_a_stream_that_is_fed_the_whole(model, long):
    stream = model.stream(RATE, lookahead=3)
    assert list(model.timeline((long, RATE))) == stream.feed(long) + stream.finish()


def test_every_kind_of_source_and_any_number_of_threads_give_the_same(model, long, tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, long, RATE, subtype="FLOAT")
    expected = list(model.timeline((long, RATE)))
    data = path.read_bytes()
    for source in (path, str(path), data, io.BytesIO(data), Audio(long, RATE)):
        for workers in (1, 3):
            assert list(model.timeline(source, workers=workers)) == expected


def test_a_segment_says_what_predict_says_of_its_window(tmp_path, long):
    window = WindowPolicy(trim="none", margin=0, grid=0.25, min=0.5, max=6.0)
    model = Model.open(write_tiny(tmp_path / "m.onnx", card=tiny_card(window=window)))
    audio = Audio(long, RATE)
    segments = list(model.timeline(audio, smoothing="off", hold=0, lookahead=1))
    judged = [segment for segment in segments if segment.emotion is not None]
    assert len(judged) > 15
    for segment in judged:
        around = audio.crop(segment.start - 1, segment.end + 1)
        expected = model.predict(around, gate=GateOptions(min_speech=0, speech_threshold=0))
        assert segment.emotion == expected.emotion
        assert segment.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


def test_pauses_have_no_emotion_and_speech_has(model, ravdess):
    """Clips of two actors with pauses of 3 s, at their own 48 kHz; every boundary within a hop."""
    actors = [sorted((ravdess / f"Actor_{n:02}").glob("*.flac"))[::16] for n in (2, 9)]
    parts, spoken, silent, at = [], [], [], 0.0
    for path in itertools.chain(*actors):
        audio = Audio.read(path)
        speech = Gate().check(audio).extent
        spoken.append((at + speech[0], at + speech[1]))
        at += audio.duration
        silent.append((at + 0.3, at + 2.7))
        parts += [audio.samples[0], np.zeros(3 * 48_000, np.float32)]
        at += 3
    segments = list(model.timeline((np.concatenate(parts), 48_000), hop=0.5, lookahead=1.25))
    for start, end in spoken:
        inside = [segment for segment in segments if segment.start >= start and segment.end <= end]
        assert np.mean([segment.emotion is not None for segment in inside]) > 0.9
    for start, end in silent:
        inside = [segment for segment in segments if segment.start >= start and segment.end <= end]
        assert {segment.status for segment in inside} == {Status.SILENCE}


def test_the_built_in_model_hears_the_emotions_change(ravdess):
    """On an actor that it was trained on: of times and labels, not of how good it is."""
    clips = {"angry": "03-01-05-02-02-01-05", "sad": "03-01-04-02-01-01-05"}
    parts = [
        Audio.read(ravdess / "Actor_05" / f"{clip}.flac", sample_rate=RATE).samples[0]
        for clip in clips.values()
    ]
    recording = np.concatenate([np.tile(part, 3) for part in parts])
    change = 3 * parts[0].size / RATE
    segments = list(sottovoce.load().timeline((recording, RATE), lookahead=3))
    for segment in segments:
        if segment.emotion is not None and not segment.start - 1 < change < segment.end + 1:
            assert segment.emotion == ("angry" if segment.end <= change else "sad")


def test_channels_are_kept_apart(model, voice):
    """Two people who take turns on two channels: each is heard on theirs alone."""
    rest = np.zeros_like(voice)
    left, right = np.concatenate([voice, rest] * 3), np.concatenate([rest, voice] * 3)
    both = (np.stack([left, right]), RATE)
    segments = list(model.timeline(both, channels="split"))
    assert [segment.channel for segment in segments[:4]] == [1, 2, 1, 2]
    for channel, samples in ((1, left), (2, right)):
        apart = [segment for segment in segments if segment.channel == channel]
        alone = list(model.timeline((samples, RATE), channels="split"))
        assert [segment.to_dict() | {"channel": 1} for segment in apart] == [
            segment.to_dict() for segment in alone
        ]
    mixed = list(model.timeline(both))
    assert mixed == list(model.timeline((both[0].mean(axis=0), RATE)))
    assert {segment.channel for segment in mixed} == {None}


# -- the summary -----------------------------------------------------------------------------------


def test_the_summary_is_of_what_was_given_so_far(model, long):
    timeline = model.timeline((long, RATE))
    assert timeline.summary().duration == 0
    first = list(itertools.islice(timeline, 5))
    assert timeline.summary().duration == 5
    rest = list(timeline)
    tally = SummaryBuilder(LABELS)
    for segment in first + rest:
        tally.add(segment)
    assert timeline.summary() == tally.summary()
    assert sum(timeline.summary().shares.values()) == pytest.approx(1)
    assert sum(timeline.summary().statuses.values()) == pytest.approx(1)
    assert timeline.summary().duration == pytest.approx(30)


# -- reading ---------------------------------------------------------------------------------------


def test_it_can_be_gone_through_once_and_knows_its_source(model, tmp_path, voice):
    path = tmp_path / "voice.wav"
    soundfile.write(path, voice, RATE)
    timeline = model.timeline(path)
    assert isinstance(timeline, Timeline)
    assert timeline.source == str(path)
    assert list(timeline)
    assert list(timeline) == []


def test_segments_come_while_the_recording_is_read(model, long):
    """Of an hour, the first segments come after a few blocks."""
    data = io.BytesIO()
    soundfile.write(data, np.tile(long, 10), RATE, format="WAV")
    data.seek(0)
    with model.timeline(data) as timeline:
        next(timeline)
        assert data.tell() < len(data.getvalue()) / 2


def test_leaving_early_closes_the_file(model, tmp_path, long):
    path = tmp_path / "long.wav"
    soundfile.write(path, long, RATE)
    with model.timeline(path) as timeline:
        next(timeline)
    assert list(timeline) == []


def test_memory_does_not_grow_with_the_recording(model, long):
    """Five minutes against one, read from a file in memory."""

    def peak(times):
        data = io.BytesIO()
        soundfile.write(data, np.tile(long, times), RATE, format="WAV")
        tracemalloc.start()
        try:
            with model.timeline(data, workers=2) as timeline:
                for _ in timeline:
                    pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # what is made once
    short, long_ = (min(peak(times) for _ in range(3)) for times in (2, 10))
    assert long_ < 1.5 * short  # the recording itself is five times as long


def test_an_empty_recording_has_no_segments(model):
    timeline = model.timeline((np.zeros(0, np.float32), RATE))
    assert list(timeline) == []
    assert timeline.summary().longest is None


@pytest.mark.parametrize("source", [b"no recording", "nowhere.wav"])
def test_a_source_that_cannot_be_opened_raises_at_once(model, source):
    with pytest.raises(AudioError):
        model.timeline(source)


def test_samples_that_were_never_scaled_raise_with_the_file_s_name(model, tmp_path, voice):
    path = tmp_path / "loud.wav"
    soundfile.write(path, 30_000 * voice, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"loud\.wav: samples reach"):
        list(model.timeline(path))


def test_workers_are_at_least_one(model, voice):
    with pytest.raises(SottovoceError, match="workers is 0"):
        model.timeline((voice, RATE), workers=0)


@pytest.mark.parametrize(("least", "status"), [(0.0, Status.OK), (0.01, Status.NO_SPEECH)])
def test_a_window_with_too_few_zero_crossings_is_no_speech(model, least, status):
    hum = 0.1 * np.sin(2 * np.pi * 50 * np.arange(4 * RATE) / RATE).astype(np.float32)
    gate = GateOptions(speech_threshold=0, min_speech=0, min_zero_crossing_rate=least)
    found = {segment.status for segment in model.timeline((hum, RATE), gate=gate)}
    assert (status is Status.NO_SPEECH) == (found == {Status.NO_SPEECH})


def test_an_answer_that_is_no_number_is_a_segment_of_status_error(tmp_path, voice):
    def no_logarithm_of_quiet_sound(graph):
        (floor,) = (tensor for tensor in graph.graph.initializer if tensor.name == "floor")
        floor.raw_data = np.float32(-0.02).tobytes()

    window = WindowPolicy(trim="none", margin=0, grid=0.25, min=0.5, max=1.0)
    card = tiny_card(window=window)
    path = write_tiny(tmp_path / "m.onnx", card=card, change=no_logarithm_of_quiet_sound)
    loud, quiet = voice * np.float32(0.5 / voice.max()), voice * np.float32(0.005 / voice.max())
    gate = GateOptions(speech_threshold=0, min_speech=0, silence_rms=1e-9)
    model, options = Model.open(path), {"window": 1, "hop": 1, "gate": gate}
    segments = list(model.timeline((np.concatenate([loud, quiet]), RATE), **options))
    assert {Status.OK, Status.ERROR} <= {segment.status for segment in segments}
    for segment in segments:
        assert (segment.emotion is None) == (segment.status is not Status.OK)
    (segment, *_) = list(model.timeline((quiet, RATE), **options))
    assert segment.words == "the model's answer is not a number"
