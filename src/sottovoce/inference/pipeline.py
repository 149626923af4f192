"""The steps from samples to segments, for every way of asking for emotion over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sottovoce.audio import Audio, Samples
from sottovoce.audio.decode import checked_rate
from sottovoce.errors import AudioError
from sottovoce.inference.batch_predictor import run_pieces
from sottovoce.inference.framing import Track, Window
from sottovoce.inference.predictor import MAX_PEAK, Heard
from sottovoce.inference.segments import Segment, Tally
from sottovoce.inference.smoothing import Judged, Smoother
from sottovoce.plan import Plan

if TYPE_CHECKING:
    from sottovoce.models.model import Model

Item = TypeVar("Item")


class Following:
    """A recording that is followed as it comes, in three steps.

    `windows` cuts what came, `judge` runs the network on one window and may do so in other threads,
    `settle` makes segments of the answers. The first and the last want things in their order.

    Args:
        model: what judges.
        rate: of the samples that will come, Hz.
        plan: what is asked.

    Raises:
        AudioError: the sample rate is out of its range.
        SottovoceError: the plan does not go with the model.
    """

    def __init__(self, model: Model, rate: int, plan: Plan) -> None:
        plan.check(model.card)
        self.rate = checked_rate(rate, "the recording")
        self.tally = Tally(model.labels)
        self._plan = plan
        self._model = model
        self._judge = model._judge(plan.gate, plan.min_confidence)
        self._tracks: list[Track] = []
        self._smoothers: list[Smoother] = []

    def windows(self, samples: NDArray[Any]) -> list[tuple[int, Window]]:
        """The windows that ended within the next samples, each after its channel's place.

        Args:
            samples: (samples,) or (channels, samples), as for `Audio`.

        Raises:
            AudioError: the samples are no recording, or the channels are others than before; then
                it is as if they had not come.
        """
        audio = Audio(samples, self.rate)
        if audio.peak > MAX_PEAK:
            raise AudioError(f"samples reach {audio.peak:.3g}; scale them to -1..1")
        channels = self._channels(audio)
        found = zip(self._tracks, channels, strict=True)
        return _in_turns([track.feed(channel) for track, channel in found])

    def last_windows(self) -> list[tuple[int, Window]]:
        """The windows that the end of the recording cuts short."""
        return _in_turns([track.finish() for track in self._tracks])

    def judge(self, window: Window) -> Judged:
        """Run the network on a window, where there is something to judge in it.

        One window a run: a batch would be little faster, and its answers depend in their last
        digits on what else is in it, so that a stream's would depend on how it is fed.
        """
        heard = window.heard(self._model.card, self._judge.gate)
        if not isinstance(heard, Heard):
            return Judged(window.start, window.end, heard, None)
        prediction = run_pieces(self._judge, self._model.probabilities, heard)
        values = list(prediction.probabilities.values())
        row = np.array(values) if values else None
        return Judged(window.start, window.end, prediction.status, row)

    def settle(self, place: int, judged: Judged) -> list[Segment]:
        """What became final with the next judged window of the channel at this place."""
        return self._counted(self._smoothers[place].take(judged))

    def last_settled(self) -> list[Segment]:
        """What waited for more windows."""
        waiting = _in_turns([smoother.finish() for smoother in self._smoothers])
        return self._counted([segment for _, segment in waiting])

    def _counted(self, segments: list[Segment]) -> list[Segment]:
        for segment in segments:
            self.tally.add(segment)
        return segments

    def _channels(self, audio: Audio) -> Samples:
        """(channels, samples) of what is followed; the first of them say how many there are."""
        split = self._plan.channels == "split"
        samples = audio.samples if split else audio.mono().samples
        if not self._tracks:
            judge, model = self._judge, self._model
            for number in range(1, len(samples) + 1):
                name = number if split else None
                self._tracks.append(Track(model.card, judge.gate, self._plan, self.rate))
                self._smoothers.append(
                    Smoother(model.labels, self._plan, judge.min_confidence, name)
                )
        if len(samples) != len(self._tracks):
            raise AudioError(f"{len(samples)} channels; expected {len(self._tracks)}, as before")
        return samples


def _in_turns(of_channels: list[list[Item]]) -> list[tuple[int, Item]]:
    """Of each channel the first, then of each the second ...; channels give equally many."""
    return [pair for row in zip(*of_channels, strict=True) for pair in enumerate(row)]
