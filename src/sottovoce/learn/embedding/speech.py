"""All clips of several corpora in memory, and batches of cuts of them drawn speaker by speaker."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sottovoce.inference.window import pieces
from sottovoce.learn.corpora import Clip
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.models.card import WindowPolicy

FULL_SCALE = 32767
"""The sample of 16 bits that stands for 1."""

EDGE = 0.15
"""s at either end of a clip that are mirrored where a cut reaches beyond it."""


class Cuts(NamedTuple):
    """A training batch.

    Attributes:
        waveform: (batch, samples), -1..1.
        rows: (batch,) which clips.
        starts: (batch,) where in its clip a cut begins, s; below 0 where it begins before it.
    """

    waveform: torch.Tensor
    rows: torch.Tensor
    starts: torch.Tensor


@dataclass(frozen=True, slots=True)
class Speech:
    """Clips of several corpora, cut to their speech, as 16-bit samples on one device.

    Attributes:
        clips: the table; a clip without an emotion is of use to a student alone.
        samples: of all clips, one after another, int16.
        starts: (clips,) where each begins in `samples`.
        lengths: (clips,) samples.
        sample_rate: Hz.
        targets: (clips,) index of the emotion; -1 for none.
        corpora: (clips,) number of the corpus.
        speakers: (clips,) number of the speaker.
        allowed: (clips, classes) the emotions that the clip's corpus has.
        corpus_names: by number.
    """

    clips: tuple[Clip, ...]
    samples: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor
    sample_rate: int
    targets: torch.Tensor
    corpora: torch.Tensor
    speakers: torch.Tensor
    allowed: torch.Tensor
    corpus_names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        clips: Sequence[Clip],
        store: ClipStore,
        labels: Sequence[str],
        window: WindowPolicy,
        device: torch.device,
    ) -> "Speech":
        """Read clips from a store; `window` says how much is kept around the speech.

        An emotion that is none of `labels` becomes none; with "calm" left out of them, calm counts
        as neutral.
        """
        cut = [kept(store, row, window) for row in range(len(store))]
        lengths = torch.tensor([len(part) for part in cut])
        flat = np.concatenate([np.round(np.clip(part, -1, 1) * FULL_SCALE) for part in cut])
        targets = torch.tensor([label_index(clip.emotion, labels) for clip in clips])
        corpus_names = tuple(dict.fromkeys(clip.corpus for clip in clips))
        corpora = torch.tensor([corpus_names.index(clip.corpus) for clip in clips])
        names = {name: i for i, name in enumerate(dict.fromkeys(clip.speaker for clip in clips))}
        has = torch.zeros(len(corpus_names), len(labels), dtype=torch.bool)
        known = targets >= 0
        has[corpora[known], targets[known]] = True
        return cls(
            tuple(clips),
            torch.from_numpy(flat.astype(np.int16)).to(device),
            (lengths.cumsum(0) - lengths).to(device),
            lengths.to(device),
            store.sample_rate,
            targets.to(device),
            corpora.to(device),
            torch.tensor([names[clip.speaker] for clip in clips]).to(device),
            has[corpora].to(device),
            corpus_names,
        )

    @property
    def device(self) -> torch.device:
        """Where the samples are."""
        return self.samples.device

    def cut(self, rows: torch.Tensor, seconds: float, generator: torch.Generator) -> Cuts:
        """Cut a stretch from anywhere in each of some clips.

        A shorter clip lies anywhere inside its cut; beyond its ends its own ends go on, mirrored.

        Args:
            rows: (batch,) which clips.
            seconds: length of the cuts.
            generator: of the random starts, on the processor.
        """
        samples = round(seconds * self.sample_rate)
        lengths = self.lengths[rows]
        spare = lengths - samples
        chance = torch.rand(len(rows), generator=generator).to(self.device)
        first = (chance * (spare + spare.sign())).long()  # rounds towards 0
        position = first[:, None] + torch.arange(samples, device=self.device)
        edge = torch.clamp(lengths, max=round(EDGE * self.sample_rate))[:, None]
        last = lengths[:, None] - 1
        before = mirrored(-position - 1, edge)
        after = last - mirrored(position - last - 1, edge)
        inside = torch.where(position < 0, before, torch.where(position > last, after, position))
        waveform = self.samples[self.starts[rows][:, None] + inside].float() / FULL_SCALE
        return Cuts(waveform, rows, first / self.sample_rate)

    def whole(self, rows: Sequence[int], window: WindowPolicy, batch: int) -> Iterator[Cuts]:
        """Whole clips in batches of equal length, as `inference.window.pieces` cuts and pads them.

        But one longer than `window.max` stays in one piece.
        """
        step = round(window.grid * self.sample_rate)
        shortest = max(1, round(window.min / window.grid))
        groups: dict[int, list[int]] = defaultdict(list)
        lengths = self.lengths.cpu()
        for row in rows:
            groups[max(shortest, int(lengths[row]) // step)].append(row)
        for steps, members in groups.items():
            for first in range(0, len(members), batch):
                chosen = torch.tensor(members[first : first + batch], device=self.device)
                left = (self.lengths[chosen] - steps * step) // 2
                place = torch.arange(steps * step, device=self.device)[None] + left[:, None]
                last = self.lengths[chosen][:, None] - 1
                inside = torch.minimum(place.clamp_min(0), last)
                found = self.samples[self.starts[chosen][:, None] + inside].float() / FULL_SCALE
                found = found * ((place >= 0) & (place <= last))
                yield Cuts(found, chosen, left / self.sample_rate)


def kept(store: ClipStore, row: int, window: WindowPolicy) -> NDArray[np.float32]:
    """The part of a clip that the window policy keeps, in one piece."""
    whole = window.model_copy(update={"grid": 1 / store.sample_rate, "min": 0.0})
    return np.concatenate(pieces(store.audio(row), whole, store.speech(row)))


def label_index(emotion: str, labels: Sequence[str]) -> int:
    """The index of an emotion among labels, calm being neutral where it is not one; -1: none."""
    if emotion == "calm" and "calm" not in labels:
        emotion = "neutral"
    return labels.index(emotion) if emotion in labels else -1


def mirrored(position: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Go back and forth over 0 to length - 1: the triangle wave of a position of 0 or more."""
    place = position.clamp_min(0) % (2 * length)
    return torch.minimum(place, 2 * length - 1 - place)


class SpeakerBatches:
    """Draws batches of several speakers with several clips each, so that a baseline can be taken.

    Args:
        speech: the clips.
        shares: corpus -> fraction of the speakers drawn that are of it.
        speakers: in a batch.
        clips: of each speaker; with replacement where the speaker has fewer.
    """

    def __init__(
        self, speech: Speech, shares: Mapping[str, float], speakers: int, clips: int
    ) -> None:
        self._rows: dict[int, list[torch.Tensor]] = {}
        corpora, owners = speech.corpora.cpu(), speech.speakers.cpu()
        for number, name in enumerate(speech.corpus_names):
            if shares.get(name):
                inside = torch.nonzero(corpora == number)[:, 0]
                self._rows[number] = [
                    inside[owners[inside] == speaker]
                    for speaker in owners[inside].unique()  # type: ignore[no-untyped-call]
                ]
        self._shares = torch.tensor([shares[speech.corpus_names[n]] for n in self._rows])
        self.speakers, self.clips = speakers, clips

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        """(speakers * clips,) rows, those of a speaker next to each other."""
        numbers = list(self._rows)
        drawn = torch.multinomial(self._shares, self.speakers, True, generator=generator)
        batch = []
        for number in drawn.tolist():
            groups = self._rows[numbers[number]]
            rows = groups[int(torch.randint(len(groups), (), generator=generator))]
            if len(rows) >= self.clips:
                order = torch.randperm(len(rows), generator=generator)[: self.clips]
            else:
                order = torch.randint(len(rows), (self.clips,), generator=generator)
            batch.append(rows[order])
        return torch.cat(batch)
