"""Segments joined to merge_segments, and counted."""

import itertools
import json

import pytest
from hypothesis import given
from made_segments import LABELS, recordings

from sottovoce.errors import SottovoceError
from sottovoce.inference.segments import SummaryBuilder, merge_segments
from sottovoce.results import Segment, Status


@given(segments=recordings())
def test_stretches_cover_the_same_time_and_no_two_neighbours_say_the_same(segments):
    joined = list(merge_segments(segments))
    for channel in {segment.channel for segment in segments}:
        before = [segment for segment in segments if segment.channel == channel]
        after = sorted(
            (segment for segment in joined if segment.channel == channel), key=lambda s: s.start
        )
        assert (before[0].start, before[-1].end) == (after[0].start, after[-1].end)
        for segment, following in itertools.pairwise(after):
            assert segment.end == following.start
            same = segment.emotion == following.emotion
            assert not same or (segment.emotion is None and segment.status is not following.status)
        for segment in before:
            (within,) = (s for s in after if s.start <= segment.start and segment.end <= s.end)
            assert within.emotion == segment.emotion


def test_a_stretch_has_the_mean_of_its_segments_in_proportion_to_their_length():
    def segment(start, end, status, happy):
        probabilities = {"happy": happy, "sad": 1 - happy}
        return Segment(
            start=start,
            end=end,
            status=status,
            emotion="happy",
            confidence=happy,
            probabilities=probabilities,
        )

    (joined,) = merge_segments(
        [segment(0, 1, Status.OK, 0.8), segment(1, 4, Status.UNCERTAIN, 0.4)]
    )
    assert joined.confidence == pytest.approx(0.5)
    assert joined.probabilities == pytest.approx({"happy": 0.5, "sad": 0.5})
    assert joined.status is Status.UNCERTAIN  # which lasted longer


@given(segments=recordings())
def test_the_summary_counts_what_was_said(segments):
    tally = SummaryBuilder(LABELS)
    for segment in segments:
        tally.add(segment)
    summary = tally.summary()
    judged = [segment for segment in segments if segment.status is Status.OK]
    assert summary.duration == pytest.approx(sum(segment.duration for segment in segments))
    assert list(summary.shares) == list(LABELS)
    assert sum(summary.shares.values()) == (pytest.approx(1) if judged else 0)
    assert sum(summary.statuses.values()) == (pytest.approx(1) if segments else 0)
    changes = 0
    for channel in {segment.channel for segment in segments}:
        labels = [segment.emotion for segment in judged if segment.channel == channel]
        changes += sum(a != b for a, b in itertools.pairwise(labels))
    assert summary.changes == changes
    lengths = [
        segment.duration for segment in merge_segments(segments) if segment.status is Status.OK
    ]
    found = None if summary.longest is None else summary.longest.duration
    assert found == max(lengths, default=None)


@given(segments=recordings())
def test_channels_are_counted_apart(segments):
    tally = SummaryBuilder(LABELS)
    for segment in segments:
        tally.add(segment)
    for channel in {segment.channel for segment in segments} - {None}:
        alone = SummaryBuilder(LABELS)
        for segment in segments:
            if segment.channel == channel:
                alone.add(segment)
        assert tally.summary(channel) == alone.summary()


def test_a_channel_that_is_not_there_is_one_line():
    tally = SummaryBuilder(LABELS)
    tally.add(Segment(start=0, end=1, status=Status.SILENCE, channel=2))
    with pytest.raises(SottovoceError, match="no channel 3; there are: 2"):
        tally.summary(3)


def test_a_segment_and_a_summary_are_plain_values():
    segment = Segment(
        start=0,
        end=1,
        status=Status.OK,
        emotion="sad",
        confidence=0.9,
        probabilities={"sad": 0.9, "happy": 0.1},
        channel=1,
    )
    assert json.loads(segment.to_json()) == {
        **{"start": 0.0, "end": 1.0, "channel": 1, "status": "ok", "emotion": "sad"},
        **{"confidence": 0.9, "probabilities": {"sad": 0.9, "happy": 0.1}},
    }
    tally = SummaryBuilder(("sad", "happy"))
    tally.add(segment)
    summary = json.loads(json.dumps(tally.summary().to_dict()))
    assert summary["shares"] == {"sad": 1, "happy": 0}
    assert summary["statuses"] == {"ok": 1}
    assert summary["longest"]["emotion"] == "sad"
