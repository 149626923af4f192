"""Many recordings: in order, as they come, no further ahead than needed, whatever is among them."""

import itertools
import threading
import time

import numpy as np
import pytest
from tiny_model import RATE, VOICE, tiny_card

from sottovoce.audio import Audio
from sottovoce.errors import ModelError, SottovoceError
from sottovoce.inference import batch_predictor
from sottovoce.inference.predictor import Predictor, batches
from sottovoce.options import GateOptions, PredictOptions
from sottovoce.results import Status


@pytest.fixture(scope="module")
def voice():
    return VOICE


@pytest.fixture(scope="module")
def clips(voice):
    """Stretches of one voice, of many lengths and levels, so that answers differ."""
    whole = Audio.read(voice, sample_rate=RATE)
    generator = np.random.default_rng(3)
    cut = []
    for _ in range(60):
        length = generator.uniform(1.0, whole.duration)
        start = generator.uniform(0, whole.duration - length)
        part = whole.crop(start, start + length)
        cut.append(Audio(part.samples * np.float32(generator.uniform(0.2, 1)), RATE))
    return cut


def threads_of_ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("sottovoce")]


@pytest.mark.parametrize("workers", [1, 3])
def test_together_they_get_the_answers_that_they_get_alone(model, clips, workers):
    alone = [model.predict(clip) for clip in clips]
    together = list(model.predict_many(clips, workers=workers))
    assert len({answer.confidence for answer in alone}) > 30
    for first, second in zip(alone, together, strict=True):
        assert first.status is second.status
        assert first.duration == second.duration
        assert dict(first.probabilities) == pytest.approx(dict(second.probabilities), abs=1e-6)


def test_a_bad_source_is_an_answer_and_the_rest_go_on(model, voice, tmp_path):
    empty = tmp_path / "empty.wav"
    empty.touch()
    sources = [voice, empty, b"text", tmp_path / "absent.wav", tmp_path, None, voice]
    answers = list(model.predict_many(sources))
    assert [answer.status for answer in answers] == [Status.OK, *[Status.ERROR] * 5, Status.OK]
    for answer in answers[1:-1]:
        assert answer.message
        assert "\n" not in answer.message
        assert answer.duration is answer.emotion is None
    assert answers[1].source == str(empty)


def test_a_recording_that_needs_too_much_memory_is_an_answer(model, voice, monkeypatch):
    def read(source, stack):
        raise MemoryError

    monkeypatch.setattr("sottovoce.inference.recording.open_blocks", read)
    (answer,) = model.predict_many([voice])
    assert answer.status is Status.ERROR
    assert "not enough memory" in answer.message


@pytest.mark.parametrize("error", [ModelError("out of memory"), MemoryError()])
def test_a_batch_that_the_network_cannot_run_costs_only_the_recordings_that_it_cannot_run(
    model, clips, monkeypatch, error
):
    """The network fails on any batch that holds the second clip; the others are run again."""
    expected = [model.predict(clip) for clip in clips]
    prepared = Predictor(model.card, PredictOptions()).preprocess(clips[1])
    bad = prepared.pieces[0]
    plain = model.probabilities

    def fail_on_the_second(batch):
        if any(len(row) == len(bad) and np.array_equal(row, bad) for row in batch):
            raise error
        return plain(batch)

    monkeypatch.setattr(model, "probabilities", fail_on_the_second)
    answers = list(model.predict_many(clips, workers=2))
    assert answers[1].status is Status.ERROR
    assert answers[1].message
    assert answers[1].duration == expected[1].duration
    for place in (0, *range(2, len(clips))):
        assert answers[place].emotion == expected[place].emotion
        assert answers[place].probabilities == pytest.approx(expected[place].probabilities)


def test_an_endless_supply_is_asked_for_no_further_ahead_than_a_few_groups(model, voice):
    reads = itertools.count()
    answers = model.predict_many((voice for _ in reads), workers=2)
    assert next(reads) == 0
    for _ in range(5):
        assert next(answers).status is Status.OK
    answers.close()
    assert next(reads) <= 4 * batch_predictor.GROUP


def test_nothing_is_asked_for_before_the_first_answer_is(model):
    def sources():
        raise AssertionError("asked too early")
        yield

    model.predict_many(sources())


def test_the_first_answers_wait_for_few_sources(model, voice):
    reads = itertools.count()
    next(model.predict_many((voice for _ in reads), workers=1))
    assert next(reads) <= 8


@pytest.mark.parametrize("leave", ["close", "drop"])
def test_leaving_early_ends_the_threads(model, voice, leave):
    before = set(threads_of_ours())
    answers = model.predict_many(itertools.repeat(voice), workers=3)
    next(answers)
    assert set(threads_of_ours()) - before
    if leave == "close":
        answers.close()
    del answers
    until = time.monotonic() + 20
    while set(threads_of_ours()) - before and time.monotonic() < until:
        time.sleep(0.01)
    assert not set(threads_of_ours()) - before


def test_no_sources_give_no_answers(model):
    assert list(model.predict_many([])) == []


def test_workers_are_at_least_one(model):
    with pytest.raises(SottovoceError, match="workers is 0"):
        model.predict_many([], workers=0)


def test_a_long_recording_is_answered_as_alone(model, clips):
    long = Audio(np.concatenate([clip.samples[0] for clip in clips] * 2), RATE)
    assert long.duration > batch_predictor.LONG_SECONDS
    (together,) = model.predict_many([long])
    assert together.probabilities == pytest.approx(model.predict(long).probabilities, abs=1e-6)


def test_what_is_held_ahead_is_no_long_recording(model, monkeypatch, voice):
    """A long one is run where it was decoded, so groups hold short recordings only."""
    held = []
    monkeypatch.setattr(batch_predictor, "LONG_SECONDS", 2.0)
    monkeypatch.setattr(
        batch_predictor.BatchPredictor,
        "run",
        lambda crew, group: held.extend(group) or (lambda: list(group)),
    )
    list(model.predict_many([voice] * 3))
    assert [type(prediction).__name__ for prediction in held] == ["Prediction"] * 3


def test_only_pieces_of_one_length_go_together():
    lengths = [3, 1, 3, 2, 1, 3]
    groups = batches(lengths, sample_rate=1)
    assert sorted(itertools.chain(*groups)) == list(range(6))
    assert [{lengths[i] for i in group} for group in groups] == [{1}, {2}, {3}]


def test_a_batch_holds_no_more_audio_than_its_bound():
    groups = batches([5 * RATE] * 20, RATE)
    assert max(map(len, groups)) == 6
    assert sum(map(len, groups)) == 20
    assert batches([90 * RATE] * 2, RATE) == [[0], [1]]


def test_gate_and_threshold_hold_for_all(model, voice):
    short = GateOptions(min_duration=30)
    assert {a.status for a in model.predict_many([voice] * 3, gate=short)} == {Status.TOO_SHORT}
    unsure = model.predict_many([voice] * 3, min_confidence=1.0)
    assert {answer.status for answer in unsure} == {Status.UNCERTAIN}


def test_the_card_is_named_in_every_answer(model):
    (answer,) = model.predict_many([b""])
    assert answer.model == tiny_card().title
