"""One recording, from its source to predictions: heard as a whole, or, if long, by its timeline."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio, OpenedRecording, Source, open_blocks
from sottovoce.audio.convert import Block
from sottovoce.inference.predictor import (
    Network,
    Predictor,
    PreparedRecording,
    mean_of_pieces,
    run_network,
    run_pieces,
    source_path,
    told,
)
from sottovoce.inference.stream import TimelinePipeline
from sottovoce.inference.timeline import run_pipeline
from sottovoce.models.card import Card
from sottovoce.options import PredictOptions, RecordingOptions
from sottovoce.results import Prediction, Segment, Status
from sottovoce.system import number_of_workers
from sottovoce.text import describe, duration

WHOLE_SECONDS = 60.0
"""Up to this a recording is heard as a whole; the answer about a longer one is drawn from its
timeline."""

Prepared: TypeAlias = PreparedRecording | Prediction
"""A recording that the network is to run on, or a prediction already."""


def long_recording_advice(seconds: float) -> str:
    """What a prediction says of a recording that is too long for one emotion.

    >>> long_recording_advice(125)
    '2:05 long, and this is the emotion with the most time; timeline says which is heard when'
    """
    return (
        f"{duration(seconds)} long, and this is the emotion with the most time; timeline says "
        "which is heard when"
    )


@dataclass(frozen=True, slots=True)
class RecordingPredictor:
    """Predicts one recording: one prediction, or one for each channel.

    Attributes:
        predictor: of the model and the options.
        network: of the model.
        options: of the predictions.
        workers: threads for a long recording; if None, one a processor, at most 4.
        members: of an ensemble: each hears the recording in its own way, and the answer is the
            mean of theirs. A long recording is heard by `network`, as timelines are.
    """

    predictor: Predictor
    network: Network
    options: PredictOptions
    workers: int | None
    members: tuple[RecordingPredictor, ...] = ()

    def predict(
        self, source: Source, watch: Callable[[float], None] | None = None
    ) -> list[Prediction]:
        """Its predictions; arguments and errors of `prepare`."""
        return [
            run_network(self.predictor, self.network, item)
            if isinstance(item, PreparedRecording)
            else item
            for item in self.prepare(source, watch)
        ]

    def prepare(
        self, source: Source, watch: Callable[[float], None] | None = None
    ) -> list[Prepared]:
        """Decode, gate and cut a recording; a long one is predicted at once, while it is read.

        Memory is what `WHOLE_SECONDS` of it take at most, however long it is.

        Args:
            source: the recording.
            watch: called after each block that is decoded, with the seconds so far; what it raises
                ends the reading.

        Raises:
            SottovoceError: the source cannot be read, or was not scaled.
        """
        with ExitStack() as stack:
            is_mixed = self.options.channels == "mix"
            decoded = open_blocks(source, stack)
            opened = decoded.checked(mono=is_mixed, watch=watch)
            begun: list[Block] = []
            frames = 0
            for block in opened.blocks:
                begun.append(block)
                frames += len(block)
                if frames > WHOLE_SECONDS * opened.sample_rate:
                    return self._by_timeline(source, opened, begun)
            heard = [
                member._whole(source, decoded, opened, begun) for member in self.members or [self]
            ]
        if self.members:
            return [self._together(group) for group in zip(*heard, strict=True)]
        return heard[0]

    def _whole(
        self, source: Source, decoded: OpenedRecording, opened: OpenedRecording, begun: list[Block]
    ) -> list[Prepared]:
        """Gate and cut a recording that is not long: all of it, or each of its channels.

        Args:
            source: what it was read from.
            decoded: as it was opened.
            opened: the same, checked.
            begun: all its blocks.
        """
        rate = self.predictor.card.sample_rate
        audio = Audio.from_blocks(opened, iter(begun), rate)
        if self.options.channels == "mix":
            return [self.predictor.prepare(audio, source)]
        found = []
        for channel, alone in enumerate(audio.split(), 1):
            warnings = (*decoded.warnings, *(alone.checked().warnings or ()))
            one = replace(alone, warnings=warnings)
            found.append(self.predictor.prepare(one, source, channel))
        return found

    def _together(self, group: tuple[Prepared, ...]) -> Prediction:
        """What the members say of a recording: the mean, unless one of them hears nothing."""
        means: list[NDArray[np.float64]] = []
        heard: list[PreparedRecording] = []
        for member, item in zip(self.members, group, strict=True):
            if not isinstance(item, PreparedRecording):
                return item.model_copy(update={"model": self.predictor.card.title})
            labels = member.predictor.card.labels
            order = [labels.index(label) for label in self.predictor.card.labels]
            rows = run_pieces(member.predictor, member.network, item)
            means.append(mean_of_pieces(item, rows)[order])
            heard.append(item)
        return self.predictor.answer(heard[0], np.mean(means, axis=0))

    def _by_timeline(
        self, source: Source, opened: OpenedRecording, begun: list[Block]
    ) -> list[Prepared]:
        options = _timeline_options(self.options, self.predictor)
        predictor = Predictor(self.predictor.card, options)
        pipeline = TimelinePipeline(predictor, self.network, opened.sample_rate, options)
        blocks = itertools.chain(begun, opened.blocks)
        spoken: defaultdict[int | None, _Totals] = defaultdict(_Totals)
        threads = number_of_workers(self.workers)
        for segment in run_pipeline(pipeline, blocks, threads, describe(source)):
            spoken[segment.channel].add(segment)
        path = source_path(source)
        return [
            self._of_timeline(path, channel, totals).model_copy(
                update={"warnings": told(opened.warnings, speech=bool(totals.seconds))}
            )
            for channel, totals in spoken.items()
        ]

    def _of_timeline(self, path: str | None, channel: int | None, totals: _Totals) -> Prediction:
        """The prediction that a timeline amounts to."""
        card = self.predictor.card
        found = Prediction(
            status=totals.status,
            model=card.title,
            source=path,
            channel=channel,
            duration=totals.end,
            message=totals.status.words.sentence,
        )
        gate = self.options.gate
        if totals.end < gate.min_duration:
            return self.predictor.too_short(path, totals.end, channel)
        if totals.status is Status.ERROR:
            return self.predictor.not_a_number(path, totals.end, channel)
        if not totals.seconds:
            return found
        times = totals.times(card)
        emotion = max(times, key=times.__getitem__)
        probabilities = totals.probabilities(card)
        confidence = probabilities[emotion]
        is_sure = confidence >= self.predictor.min_confidence
        status = Status.OK if is_sure else Status.UNCERTAIN
        advice = long_recording_advice(totals.end)
        return found.model_copy(
            update={
                "status": status,
                "emotion": emotion,
                "confidence": confidence,
                "probabilities": probabilities,
                "message": advice if is_sure else f"{status.words.sentence}; {advice}",
            }
        )


@dataclass(slots=True)
class _Totals:
    """The segments of one channel, summed up."""

    end: float = 0.0
    """s, where the last one ends."""
    statuses: set[Status] = field(default_factory=set)
    seconds: defaultdict[tuple[Status, str], float] = field(
        default_factory=lambda: defaultdict(float)
    )
    """s of each emotion, `ok` and `uncertain` apart."""
    sureness: float = 0.0
    """s of all of them, each times its confidence."""

    def add(self, segment: Segment) -> None:
        self.end = segment.end
        self.statuses.add(segment.status)
        if segment.emotion is not None and segment.confidence is not None:
            self.seconds[segment.status, segment.emotion] += segment.duration
            self.sureness += segment.duration * segment.confidence

    @property
    def status(self) -> Status:
        """Without an emotion: why there is none."""
        for status in (Status.ERROR, Status.NO_SPEECH, Status.SILENCE):
            if status in self.statuses:
                return status
        return Status.TOO_SHORT

    def times(self, card: Card) -> dict[str, float]:
        """Time of each emotion that is `ok`, s, as in `Summary.shares`; if none is, `uncertain`."""
        is_heard = any(status is Status.OK for status, _ in self.seconds)
        status = Status.OK if is_heard else Status.UNCERTAIN
        return {label: self.seconds.get((status, label), 0.0) for label in card.labels}

    def probabilities(self, card: Card) -> dict[str, float]:
        """How likely each emotion is at a moment of speech that is picked at random.

        Its label is e with probability s(e), the share of e in `times`. The label is right with
        probability c, the mean confidence of all segments, and otherwise any other emotion is
        alike: p(e) = s(e) c + (1 - s(e)) (1 - c) / (K - 1) for K emotions. c counts as 1 / K at
        least, so p never falls as s grows: no emotion is likelier than the one with the most time.
        """
        times = self.times(card)
        spoken, others = sum(times.values()), max(1, len(card.labels) - 1)
        sure = max(self.sureness / sum(self.seconds.values()), 1 / len(card.labels))
        shares = {label: seconds / spoken for label, seconds in times.items()}
        return {
            label: share * sure + (1 - share) * (1 - sure) / others
            for label, share in shares.items()
        }


def _timeline_options(options: PredictOptions, predictor: Predictor) -> RecordingOptions:
    """The options of the timeline: its defaults, as far as they go with the model and the gate."""
    plain = RecordingOptions()
    window = min(plain.window, predictor.card.window.max)
    shortest = min(options.gate.min_duration, window)
    return RecordingOptions(
        gate=options.gate.model_copy(update={"min_duration": shortest}),
        min_confidence=predictor.min_confidence,
        channels=options.channels,
        window=window,
        hop=min(plain.hop, window),
    )
