"""Smoothing and hysteresis, held against enumeration and against what they promise."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sottovoce.inference.smoothing import (
    MEAN_DURATION,
    HiddenMarkov,
    Hysteresis,
    Mean,
    Smoother,
    UnsmoothedSegment,
)
from sottovoce.options import TimelineOptions
from sottovoce.results import Status

LABELS = ("happy", "sad", "angry")


def row(*values):
    return np.array(values) / sum(values)


rows = st.one_of(
    st.none(),
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda values: row(*values)),
)


def enumerated(observed, place, hop, window):
    """The state's distribution at a place given all observations: the sum over all paths."""
    stay = np.exp(-hop / MEAN_DURATION)
    total = np.zeros(3)
    for path in itertools.product(range(3), repeat=len(observed)):
        weight = 1 / 3
        for before, after in itertools.pairwise(path):
            weight *= stay if before == after else (1 - stay) / 2
        for state, likelihoods in zip(path, observed, strict=True):
            weight *= 1 if likelihoods is None else likelihoods[state] ** (hop / window)
        total[path[place]] += weight
    return total / total.sum()


@settings(deadline=None)
@given(
    observed=st.lists(rows, min_size=1, max_size=5),
    lag=st.integers(0, 3),
    hop=st.sampled_from([0.5, 1.0]),
)
def test_the_hidden_markov_model_sums_over_all_paths(observed, lag, hop):
    model = HiddenMarkov(3, hop, window=2.0)
    for place, current in enumerate(observed):
        rows = observed[: place + 1 + lag]
        found = model(current, rows[place + 1 :])
        if current is None:
            assert found is None
        else:
            np.testing.assert_allclose(found, enumerated(rows, place, hop, 2.0), rtol=1e-9)


def test_the_hidden_markov_model_looks_a_minute_ahead_without_underflow():
    """600 windows that contradict one another: their likelihoods multiply to about 1e-1000."""
    model = HiddenMarkov(3, hop=0.1, window=0.1)
    found = model(row(1, 0, 0), [row(0, 1, 0), row(0, 0, 1)] * 300)
    np.testing.assert_allclose(found.sum(), 1)
    assert np.isfinite(found).all()


def test_the_hidden_markov_model_forgets_in_a_pause():
    model = HiddenMarkov(3, hop=1.0, window=1.0)
    sure, faint = row(8, 1, 1), row(1.2, 1, 1)
    for _ in range(5):
        model(sure, [])
    soon = model(faint, [])
    for _ in range(30):
        model(None, [])
    late = model(faint, [])
    assert soon[0] > 0.7
    np.testing.assert_allclose(late, faint, atol=1e-4)


def test_the_mean_is_of_the_window_the_one_before_and_the_one_after():
    mean = Mean()
    a, b, c = row(1, 0, 0), row(0, 1, 0), row(0, 0, 1)
    np.testing.assert_allclose(mean(a, [b, c]), [1 / 2, 1 / 2, 0])
    np.testing.assert_allclose(mean(b, [c]), [1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(mean(c, []), [0, 1 / 2, 1 / 2])
    assert mean(None, [a]) is None
    np.testing.assert_allclose(mean(a, [None]), a)


@given(found=st.lists(rows, max_size=60), least=st.integers(0, 6))
def test_a_label_lasts_before_another_takes_over(found, least):
    """Between two changes within speech there are at least so many segments with speech."""
    hold = Hysteresis(least)
    labels = [hold(item) for item in found]
    assert [label is None for label in labels] == [item is None for item in found]
    lasted = paused = 0
    before = None
    for label in labels:
        if label is None:
            paused += 1
            continue
        if before is not None and paused < max(least, 1) and label != before:
            assert lasted >= least
        if label != before or paused >= max(least, 1):
            lasted = 0
        lasted, paused, before = lasted + 1, 0, label


def test_without_hold_the_label_is_the_likeliest():
    hold = Hysteresis(0)
    assert [hold(row(*v)) for v in ((2, 1, 1), (1, 2, 1), (1, 1, 2))] == [0, 1, 2]


def test_a_long_pause_sets_the_label_free():
    hold = Hysteresis(3)
    happy, sad = row(2, 1, 1), row(1, 2, 1)
    assert [hold(value) for value in (happy, None, None, sad)] == [0, None, None, 0]
    hold = Hysteresis(3)
    assert [hold(value) for value in (happy, None, None, None, sad)] == [0, None, None, None, 1]


@given(found=st.lists(rows, max_size=30), lookahead=st.sampled_from([0.0, 1.0, 3.5]))
@pytest.mark.parametrize("smoothing", ["off", "mean", "hmm"])
def test_every_window_becomes_one_segment_in_its_place(smoothing, found, lookahead):
    plan = TimelineOptions(window=3, hop=1, smoothing=smoothing, lookahead=lookahead)
    smoother = Smoother(LABELS, plan, 0.5, channel=2)
    segments = []
    for place, given_row in enumerate(found):
        status = Status.SILENCE if given_row is None else Status.OK
        segments += smoother.add(UnsmoothedSegment(place, place + 1, status, given_row))
        assert len(segments) == max(0, place + 1 - plan.lookahead_windows)
    segments += smoother.finish()
    assert [segment.start for segment in segments] == list(range(len(found)))
    for segment, given_row in zip(segments, found, strict=True):
        assert segment.channel == 2
        if given_row is None:
            assert (segment.status, segment.emotion, segment.confidence) == (
                Status.SILENCE,
                None,
                None,
            )
            assert segment.probabilities == {}
        else:
            assert sum(segment.probabilities.values()) == pytest.approx(1)
            assert segment.confidence == segment.probabilities[segment.emotion]
            assert segment.status is (Status.OK if segment.confidence >= 0.5 else Status.UNCERTAIN)


def test_off_changes_nothing():
    smoother = Smoother(LABELS, TimelineOptions(smoothing="off", hold=0), 0.0, None)
    given_rows = [row(3, 1, 1), row(1, 3, 1), row(1, 1, 3)]
    (found,) = zip(
        *(smoother.add(UnsmoothedSegment(0, 1, Status.OK, given_row)) for given_row in given_rows),
        strict=True,
    )
    for segment, expected in zip(found, given_rows, strict=True):
        np.testing.assert_array_equal(list(segment.probabilities.values()), expected)
