"""Emotion over time, fed piece by piece: `Stream`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from numpy.typing import NDArray

from sottovoce.errors import SottovoceError
from sottovoce.inference.framing import Window
from sottovoce.inference.pipeline import Following
from sottovoce.inference.segments import Segment, Summary
from sottovoce.plan import Options, Plan

if TYPE_CHECKING:
    from sottovoce.models.model import Model


class Stream:
    """Says how something is said while it is being said.

        stream = Stream(model, sample_rate=48_000)
        for samples in microphone:
            for segment in stream.feed(samples):
                print(segment.start, segment.emotion)
        last = stream.finish()

    Segments follow one another without gap or overlap. However the samples are cut into pieces, the
    segments are the same, and those of `Model.timeline` for the whole. Memory does not grow. To be
    used from one thread at a time; many streams may share a model.

    Args:
        model: what judges.
        sample_rate: of the samples that will come, Hz.
        options: the fields of `sottovoce.plan.Plan`: window, hop, lookahead, smoothing, hold,
            channels, gate, min_confidence.

    Raises:
        SottovoceError: an option is out of its range.
        AudioError: the sample rate is.
    """

    def __init__(self, model: Model, sample_rate: int, **options: Unpack[Options]) -> None:
        self._following = Following(model, sample_rate, Plan(**options))
        self._finished = False

    @property
    def sample_rate(self) -> int:
        """Of the samples that are fed, Hz."""
        return self._following.rate

    def feed(self, samples: NDArray[Any]) -> list[Segment]:
        """Hear the next samples.

        A piece that is refused is left out, and the stream goes on with the next one.

        Args:
            samples: (samples,) or (channels, samples), as for `Audio`; the same number of channels
                every time, unless they are mixed.

        Returns:
            What became final, in order of time, and of the channels where they are split.

        Raises:
            AudioError: the samples are no recording, or the channels are others than before.
            SottovoceError: the stream is finished.
        """
        if self._finished:
            raise SottovoceError("the stream is finished; make a new one")
        return self._segments(self._following.windows(samples))

    def finish(self) -> list[Segment]:
        """The rest, after the last sample; nothing when asked again."""
        if self._finished:
            return []
        self._finished = True
        return self._segments(self._following.last_windows()) + self._following.last_settled()

    def summary(self, channel: int | None = None) -> Summary:
        """What was said so far: of one channel, or of all together.

        Raises:
            SottovoceError: there is no such channel.
        """
        return self._following.tally.summary(channel)

    def _segments(self, windows: list[tuple[int, Window]]) -> list[Segment]:
        judge, settle = self._following.judge, self._following.settle
        return [segment for place, one in windows for segment in settle(place, judge(one))]
