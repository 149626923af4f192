"""What is said of a recording over time: segments, stretches of one emotion, and the summary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sottovoce.errors import SottovoceError
from sottovoce.vad.gate import Status


@dataclass(frozen=True, slots=True)
class Segment:
    """What is said of one stretch of time.

    As in a `Prediction`, only the statuses `ok` and `uncertain` carry an emotion, a confidence and
    probabilities.
    """

    start: float
    """s from the start of the recording."""
    end: float
    """s; where the next segment of the channel starts."""
    status: Status
    emotion: str | None = None
    """The label. With `hold` it may for a while not be the likeliest one."""
    confidence: float | None = None
    """The probability of `emotion`, 0 to 1, after smoothing."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """label -> probability after smoothing, in the order of the model's labels; they sum to 1."""
    channel: int | None = None
    """1 for the first (left) channel, 2 for the second ...; None where they were mixed."""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def to_dict(self) -> dict[str, Any]:
        """Plain values.

        The keys are start, end, channel, status, emotion, confidence, probabilities.
        """
        return {
            "start": round(self.start, 6),
            "end": round(self.end, 6),
            "channel": self.channel,
            "status": str(self.status),
            "emotion": self.emotion,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
        }

    def to_json(self) -> str:
        """`to_dict` as JSON on one line."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)


def stretches(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Join adjacent segments of one channel that say the same, each given when it has ended.

    "The same" is one emotion, be it `ok` or `uncertain`, or one status without an emotion. A
    stretch has the mean of its segments' probabilities in proportion to their length, and of the
    two statuses the one that lasted longer.

    Args:
        segments: in order of time; channels may take turns.
    """
    joiner = Joiner()
    for segment in segments:
        yield from joiner.add(segment)
    yield from joiner.going_on()


class Joiner:
    """`stretches`, fed one segment at a time."""

    def __init__(self) -> None:
        self._open: dict[int | None, _Stretch] = {}

    def add(self, segment: Segment) -> list[Segment]:
        """Take the next segment; give the stretch that it ended, if any."""
        going_on = self._open.get(segment.channel)
        if going_on is not None and going_on.takes(segment):
            going_on.add(segment)
            return []
        self._open[segment.channel] = _Stretch(segment)
        return [] if going_on is None else [going_on.joined()]

    def going_on(self) -> list[Segment]:
        """The stretches that have not ended, as far as they go, in order of their start."""
        return sorted((one.joined() for one in self._open.values()), key=lambda one: one.start)


class _Stretch:
    """Segments that say the same, summed up."""

    def __init__(self, first: Segment) -> None:
        self._first = first
        self._seconds: dict[Status, float] = {}
        self._sums = dict.fromkeys(first.probabilities, 0.0)
        self.add(first)

    def takes(self, segment: Segment) -> bool:
        """Whether a segment says the same."""
        if self._first.emotion is None:
            return segment.status is self._first.status
        return segment.emotion == self._first.emotion

    def add(self, segment: Segment) -> None:
        self._end = segment.end
        self._seconds[segment.status] = self._seconds.get(segment.status, 0.0) + segment.duration
        for label, probability in segment.probabilities.items():
            self._sums[label] += probability * segment.duration

    def joined(self) -> Segment:
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


@dataclass(frozen=True, slots=True)
class Summary:
    """A recording, or one channel of it, in a few figures."""

    duration: float
    """s that were heard, of all channels together."""
    shares: Mapping[str, float]
    """label -> share of the time in which an emotion was heard (status `ok`), in the order of the
    model's labels. They sum to 1, or are all 0 where none was heard."""
    statuses: Mapping[Status, float]
    """status -> share of the whole time; those that occurred. They sum to 1."""
    changes: int
    """How often the emotion became another one, pauses left out."""
    longest: Segment | None
    """The longest stretch of one emotion, as of `stretches`; None where none was heard."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the same names."""
        return {
            "duration": round(self.duration, 6),
            "shares": dict(self.shares),
            "statuses": {str(status): share for status, share in self.statuses.items()},
            "changes": self.changes,
            "longest": None if self.longest is None else self.longest.to_dict(),
        }


class Tally:
    """Makes the summary of the segments added so far, in memory that does not grow with them."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._channels: dict[int | None, _Count] = {}

    def add(self, segment: Segment) -> None:
        """Count the next segment of its channel."""
        self._channels.setdefault(segment.channel, _Count()).add(segment)

    def summary(self, channel: int | None = None) -> Summary:
        """Of one channel, or of all together: their times added up, the longest of all stretches.

        Raises:
            SottovoceError: no segment is of that channel.
        """
        counts = list(self._channels.values())
        if channel is not None:
            if channel not in self._channels:
                known = ", ".join(str(one) for one in self._channels if one is not None)
                raise SottovoceError(f"no channel {channel}; there are: {known or 'none apart'}")
            counts = [self._channels[channel]]
        heard = {label: sum(one.heard.get(label, 0.0) for one in counts) for label in self._labels}
        lasted = {status: sum(one.lasted.get(status, 0.0) for one in counts) for status in Status}
        duration, judged = sum(lasted.values()), sum(heard.values())
        longest = [one for count in counts if (one := count.longest()) is not None]
        return Summary(
            duration=duration,
            shares={label: seconds and seconds / judged for label, seconds in heard.items()},
            statuses={one: seconds / duration for one, seconds in lasted.items() if seconds},
            changes=sum(one.changes for one in counts),
            longest=max(longest, key=lambda one: one.duration, default=None),
        )


class _Count:
    """One channel's sums."""

    def __init__(self) -> None:
        self.heard: dict[str, float] = {}
        self.lasted: dict[Status, float] = {}
        self.changes = 0
        self._emotion: str | None = None
        self._joiner = Joiner()
        self._longest: Segment | None = None

    def add(self, segment: Segment) -> None:
        self.lasted[segment.status] = self.lasted.get(segment.status, 0.0) + segment.duration
        if segment.status is Status.OK and segment.emotion is not None:
            emotion = segment.emotion
            self.heard[emotion] = self.heard.get(emotion, 0.0) + segment.duration
            self.changes += self._emotion not in (None, emotion)
            self._emotion = emotion
        for stretch in self._joiner.add(segment):
            self._longest = _longer(self._longest, stretch)

    def longest(self) -> Segment | None:
        longest = self._longest
        for stretch in self._joiner.going_on():
            longest = _longer(longest, stretch)
        return longest


def _longer(one: Segment | None, other: Segment) -> Segment | None:
    if other.status is not Status.OK or (one is not None and one.duration >= other.duration):
        return one
    return other
