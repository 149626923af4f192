"""Emotion over time, fed piece by piece: `Stream`."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sottovoce.errors import SottovoceError
from sottovoce.inference.framing import Frame
from sottovoce.inference.pipeline import TimelinePipeline
from sottovoce.inference.predictor import Network, Predictor
from sottovoce.options import TimelineOptions
from sottovoce.results import Segment, Summary


class Stream:
    """Says how something is said while it is being said.

        stream = model.stream(sample_rate=48_000)
        for samples in microphone:
            for segment in stream.feed(samples):
                print(segment.start, segment.emotion)
        last = stream.finish()

    Segments follow one another without gap or overlap. However the samples are cut into pieces, the
    segments are the same, and those of `Model.timeline` for the whole. Memory does not grow. To be
    used from one thread at a time; many streams may share a model.

    Args:
        predictor: of the model.
        network: of the model.
        sample_rate: of the samples that will come, Hz.
        options: of the timeline.

    Raises:
        SottovoceError: an option does not go with the model.
        AudioError: the sample rate is out of its range.
    """

    def __init__(
        self, predictor: Predictor, network: Network, sample_rate: int, options: TimelineOptions
    ) -> None:
        self._pipeline = TimelinePipeline(predictor, network, sample_rate, options)
        self._finished = False

    @property
    def sample_rate(self) -> int:
        """Of the samples that are fed, Hz."""
        return self._pipeline.sample_rate

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
        return self._segments(self._pipeline.frames(samples))

    def finish(self) -> list[Segment]:
        """The rest, after the last sample; nothing when asked again."""
        if self._finished:
            return []
        self._finished = True
        return self._segments(self._pipeline.last_frames()) + self._pipeline.last_segments()

    def summary(self, channel: int | None = None) -> Summary:
        """The segments so far in a few figures: of one channel, or of all together.

        Raises:
            SottovoceError: there is no such channel.
        """
        return self._pipeline.summary(channel)

    def _segments(self, frames: list[tuple[int, Frame]]) -> list[Segment]:
        pipeline = self._pipeline
        return [
            segment
            for channel, frame in frames
            for segment in pipeline.smooth(channel, pipeline.predict(frame))
        ]
