"""Adjacent segments of one emotion merged, and the summary of a recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sottovoce.errors import SottovoceError
from sottovoce.results import Segment, Status, Summary


def merge_segments(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Join adjacent segments of one channel that say the same, each given when it has ended.

    "The same" is one emotion, be it `ok` or `uncertain`, or one status without an emotion. A
    merged segment has the mean of its segments' probabilities in proportion to their length, and
    of the two statuses the one that lasted longer.

    Args:
        segments: in order of time; channels may take turns.
    """
    merger = SegmentMerger()
    for segment in segments:
        yield from merger.add(segment)
    yield from merger.unfinished()


class SegmentMerger:
    """`merge_segments`, fed one segment at a time."""

    def __init__(self) -> None:
        self._open: dict[int | None, _OpenSegment] = {}

    def add(self, segment: Segment) -> list[Segment]:
        """Take the next segment; give the merged segment that it ended, if any."""
        current = self._open.get(segment.channel)
        if current is not None and current.continues_with(segment):
            current.add(segment)
            return []
        self._open[segment.channel] = _OpenSegment(segment)
        return [] if current is None else [current.merged()]

    def unfinished(self) -> list[Segment]:
        """The merged segments that have not ended, as far as they go, in order of their start."""
        return sorted(
            (current.merged() for current in self._open.values()), key=lambda merged: merged.start
        )


class _OpenSegment:
    """Segments that say the same, summed up."""

    def __init__(self, first: Segment) -> None:
        self._first = first
        self._seconds: defaultdict[Status, float] = defaultdict(float)
        self._sums = dict.fromkeys(first.probabilities, 0.0)
        self.add(first)

    def continues_with(self, segment: Segment) -> bool:
        """Whether a segment says the same."""
        if self._first.emotion is None:
            return segment.status is self._first.status
        return segment.emotion == self._first.emotion

    def add(self, segment: Segment) -> None:
        self._end = segment.end
        self._seconds[segment.status] += segment.duration
        for label, probability in segment.probabilities.items():
            self._sums[label] += probability * segment.duration

    def merged(self) -> Segment:
        total = sum(self._seconds.values())
        means = {label: weighted / total for label, weighted in self._sums.items()}
        emotion = self._first.emotion
        return Segment(
            start=self._first.start,
            end=self._end,
            status=max(self._seconds, key=self._seconds.__getitem__),
            emotion=emotion,
            confidence=None if emotion is None else means[emotion],
            probabilities=means,
            channel=self._first.channel,
        )


class SummaryBuilder:
    """Makes the summary of the segments added so far, in memory that does not grow with them."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._channels: dict[int | None, _ChannelTotals] = {}

    def add(self, segment: Segment) -> None:
        """Count the next segment of its channel."""
        self._channels.setdefault(segment.channel, _ChannelTotals()).add(segment)

    def summary(self, channel: int | None = None) -> Summary:
        """Of one channel, or of all together: times added up, the longest of all merged segments.

        Raises:
            SottovoceError: no segment is of that channel.
        """
        totals = list(self._channels.values())
        if channel is not None:
            if channel not in self._channels:
                known = ", ".join(str(number) for number in self._channels if number is not None)
                raise SottovoceError(f"no channel {channel}; there are: {known or 'none apart'}")
            totals = [self._channels[channel]]
        emotions = {
            label: sum(total.emotion_seconds[label] for total in totals) for label in self._labels
        }
        statuses = {
            status: sum(total.status_seconds[status] for total in totals) for status in Status
        }
        duration, judged = sum(statuses.values()), sum(emotions.values())
        longest = [segment for total in totals for segment in total.longest()]
        return Summary(
            duration=duration,
            shares={label: seconds and seconds / judged for label, seconds in emotions.items()},
            statuses={status: s / duration for status, s in statuses.items() if s},
            changes=sum(total.changes for total in totals),
            longest=max(longest, key=lambda segment: segment.duration, default=None),
        )


class _ChannelTotals:
    """One channel's sums."""

    def __init__(self) -> None:
        self.emotion_seconds: defaultdict[str, float] = defaultdict(float)
        self.status_seconds: defaultdict[Status, float] = defaultdict(float)
        self.changes = 0
        self._emotion: str | None = None
        self._merger = SegmentMerger()
        self._longest: list[Segment] = []

    def add(self, segment: Segment) -> None:
        self.status_seconds[segment.status] += segment.duration
        if segment.status is Status.OK and segment.emotion is not None:
            emotion = segment.emotion
            self.emotion_seconds[emotion] += segment.duration
            self.changes += self._emotion not in (None, emotion)
            self._emotion = emotion
        self._longest = _longest([*self._longest, *self._merger.add(segment)])

    def longest(self) -> list[Segment]:
        """The longest merged segment of status `ok`, if any; the first of equally long ones."""
        return _longest([*self._longest, *self._merger.unfinished()])


def _longest(segments: list[Segment]) -> list[Segment]:
    judged = [segment for segment in segments if segment.status is Status.OK]
    return [max(judged, key=lambda segment: segment.duration)] if judged else []
