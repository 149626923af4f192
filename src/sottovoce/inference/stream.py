"""Emotion over time: the steps from samples to segments, and `Stream`, fed piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio, Samples
from sottovoce.audio.convert import Mixer
from sottovoce.audio.decode import MAX_CHANNELS, checked_rate
from sottovoce.audio.quality import SoundCheck
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.inference.framing import Frame, Framer
from sottovoce.inference.predictor import (
    MAX_PEAK,
    Network,
    Predictor,
    PreparedRecording,
    run_network,
    told,
)
from sottovoce.inference.segments import SummaryBuilder
from sottovoce.inference.smoothing import Smoother, UnsmoothedSegment
from sottovoce.options import TimelineOptions
from sottovoce.results import Segment, Status, Summary, Warnings

Item = TypeVar("Item")

NetworkOfChannel = Callable[[int, Sequence[Samples]], Network]
"""(index of the channel, pieces of a frame) -> the network that is to judge them."""


class TimelinePipeline:
    """A recording on its way to segments, in three steps.

    `frames` cuts the samples, `predict` runs the network on one frame and may do so in other
    threads, `smooth` makes segments of the results. The first and the last need them in order.

    Args:
        predictor: of the model.
        network: of the model.
        sample_rate: of the samples that will come, Hz.
        options: of the timeline.
        judge: with `same_voice`, the network of a channel; it is called with the channel's index
            and the pieces of the frame that is to be judged.

    Raises:
        AudioError: the sample rate is out of its range.
        SottovoceError: the options do not go with the model.
    """

    def __init__(
        self,
        predictor: Predictor,
        network: Network,
        sample_rate: int,
        options: TimelineOptions,
        judge: NetworkOfChannel | None = None,
    ) -> None:
        card = predictor.card
        options.check_window(card.window.max, card.title)
        self.sample_rate = checked_rate(sample_rate, "the recording")
        self._predictor = predictor
        self._network = network
        self._judge = judge
        self._options = options
        self._summary = SummaryBuilder(card.labels)
        self._check, self._mixer = SoundCheck(self.sample_rate), Mixer(self.sample_rate)
        self._framers: list[Framer] = []
        self._smoothers: list[Smoother] = []

    def frames(self, samples: NDArray[Any]) -> list[tuple[int, Frame]]:
        """The frames that ended within the next samples, each after its channel's index.

        Args:
            samples: (samples,) or (channels, samples), as for `Audio`.

        Raises:
            AudioError: the samples are no recording, or the channels are others than before; then
                they are ignored.
        """
        if (
            np.ndim(samples) == 2 and np.shape(samples)[0] > MAX_CHANNELS
        ):  # a shorter piece would be taken amiss
            raise AudioError(
                f"a piece of shape {np.shape(samples)}; expected (samples,) or (channels, samples) "
                f"with at most {MAX_CHANNELS} channels; transpose it if samples come first"
            )
        audio = Audio(samples, self.sample_rate)
        if audio.peak > MAX_PEAK:
            raise AudioError(f"samples reach {audio.peak:.3g}; scale them to -1..1")
        pairs = zip(self._framers, self._channels(audio), strict=True)
        self._check.add(audio.samples.T)
        return _interleave([framer.feed(channel) for framer, channel in pairs])

    def last_frames(self) -> list[tuple[int, Frame]]:
        """The frames that the end of the recording cuts short."""
        return _interleave([framer.finish() for framer in self._framers])

    def predict(self, channel: int, frame: Frame) -> UnsmoothedSegment:
        """Run the network on a frame of the channel at this index, where there is speech in it.

        One frame a run: a batch would be little faster, and its results depend in their last
        digits on what else is in it, so that a stream's would depend on how it is fed.
        """
        prepared = frame.prepare(self._predictor.card, self._predictor.gate)
        if not isinstance(prepared, PreparedRecording):
            return UnsmoothedSegment(frame.start, frame.end, prepared, None)
        network = self._network
        if self._judge is not None:
            network = self._judge(channel, prepared.pieces)
        prediction = run_network(self._predictor, network, prepared)
        values = list(prediction.probabilities.values())
        row = np.array(values) if values else None
        return UnsmoothedSegment(frame.start, frame.end, prediction.status, row)

    def smooth(self, channel: int, segment: UnsmoothedSegment) -> list[Segment]:
        """What became final with the next segment of the channel at this index."""
        return self._counted(self._smoothers[channel].add(segment))

    def last_segments(self) -> list[Segment]:
        """The segments that waited for more frames."""
        rest = _interleave([smoother.finish() for smoother in self._smoothers])
        return self._counted([segment for _, segment in rest])

    def summary(self, channel: int | None, decoding: Warnings = ()) -> Summary:
        """Of the segments so far: of one channel, or of all together.

        Args:
            channel: 1 for the first one; None: all.
            decoding: as for `warnings`.

        Raises:
            SottovoceError: there is no such channel.
        """
        summary = self._summary.summary(channel)
        return summary.model_copy(update={"warnings": self.warnings(decoding)})

    def warnings(self, decoding: Warnings = ()) -> Warnings:
        """What was not heard of the recording so far, or is odd about its sound.

        Args:
            decoding: what is known of the file that the samples come from.
        """
        found = (*decoding, *self._check.warnings(), *self._mixer.warnings())
        statuses = self._summary.summary().statuses
        return told(found, speech=Status.OK in statuses or Status.UNCERTAIN in statuses)

    def _counted(self, segments: list[Segment]) -> list[Segment]:
        for segment in segments:
            self._summary.add(segment)
        return segments

    def _channels(self, audio: Audio) -> Samples:
        """(channels, samples); the first samples set the number of channels."""
        split = self._options.channels == "split"
        samples = audio.samples if split else self._mixer.mix(audio.samples.T)[np.newaxis]
        if not self._framers:
            predictor, options = self._predictor, self._options
            for number in range(1, len(samples) + 1):
                framer = Framer(predictor.card, predictor.gate, options, self.sample_rate)
                self._framers.append(framer)
                name = number if split else None
                self._smoothers.append(
                    Smoother(predictor.card.labels, options, predictor.min_confidence, name)
                )
        if len(samples) != len(self._framers):
            raise AudioError(f"{len(samples)} channels; expected {len(self._framers)}, as before")
        return samples


class Stream:
    """Emotion over time while the samples come.

        stream = model.stream(sample_rate=48_000)
        for samples in microphone:
            for segment in stream.feed(samples):
                print(segment.start, segment.emotion)
        last = stream.finish()

    Segments follow one another without gap or overlap. However the samples are cut into pieces, the
    segments are the same, and those of `Model.timeline` for the whole. Memory does not grow. To be
    used from one thread at a time; many streams may share a model. Arguments and errors are those
    of `TimelinePipeline`.
    """

    def __init__(
        self,
        predictor: Predictor,
        network: Network,
        sample_rate: int,
        options: TimelineOptions,
        judge: NetworkOfChannel | None = None,
    ) -> None:
        self._pipeline = TimelinePipeline(predictor, network, sample_rate, options, judge)
        self._finished = False

    @property
    def sample_rate(self) -> int:
        """Of the samples that are fed, Hz."""
        return self._pipeline.sample_rate

    def feed(self, samples: NDArray[Any]) -> list[Segment]:
        """Take the next samples.

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
        """The rest, after the last sample; nothing when called again."""
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

    @property
    def warnings(self) -> Warnings:
        """What is odd about the sound so far: `WarningCode` has the kinds."""
        return self._pipeline.warnings()

    def _segments(self, frames: list[tuple[int, Frame]]) -> list[Segment]:
        pipeline = self._pipeline
        return [
            segment
            for channel, frame in frames
            for segment in pipeline.smooth(channel, pipeline.predict(channel, frame))
        ]


def _interleave(of_channels: list[list[Item]]) -> list[tuple[int, Item]]:
    """Of each channel the first, then of each the second ...; channels give equally many."""
    return [pair for row in zip(*of_channels, strict=True) for pair in enumerate(row)]
