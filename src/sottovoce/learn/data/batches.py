"""Batches: random crops of training clips, and whole clips of equal length for evaluation."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from sottovoce.inference.window import pieces
from sottovoce.learn.data import augmentation
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.learn.recipe.specs import AugmentSpec, TrainingSpec
from sottovoce.models.card import WindowPolicy

EDGE = 0.15
"""s of a clip's quieter end that fill up a crop which is longer than the recording."""


class Features(Protocol):
    """Features of the pieces of clips, computed before; see `FeatureStore`."""

    mean_samples: float
    """Of waveform in a piece, on average."""

    def pieces(self, clip: int) -> Sequence[tuple[NDArray[np.float32], int]]:
        """Give the values (features, time) of each piece of a clip, with the piece's samples."""


class Crops(NamedTuple):
    """A training batch.

    Attributes:
        sound: (batch, samples) of which what follows an example's `lengths` samples is to be
            ignored; or, of whole clips, (batch, features, time) that the front end gave.
        lengths: (batch,) samples that are to be brought to the crop's length.
        targets: (batch,) index of the emotion.
    """

    sound: torch.Tensor
    lengths: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True, slots=True)
class Examples:
    """Some clips of a store and their emotions.

    Attributes:
        store: of the clips.
        rows: which, as indices into the store.
        targets: index of the emotion of each.
        features: of the store's clips, where they are kept.
        copies: of the store's clips, changed at random: for training alone.
    """

    store: ClipStore
    rows: tuple[int, ...]
    targets: tuple[int, ...]
    features: Features | None = None
    copies: tuple[Features, ...] = ()

    def versions(self) -> "tuple[Examples, ...]":
        """Give these examples, and each of their changed copies as examples of their own."""
        changed = [replace(self, features=copy, copies=()) for copy in self.copies]
        return (self, *changed)


class TrainingBatches(Dataset[Crops]):
    """Augmented crops or whole clips; batch (epoch, step) is always the same."""

    def __init__(
        self,
        examples: Examples,
        window: WindowPolicy,
        training: TrainingSpec,
        spec: AugmentSpec,
        seed: int,
        noise: ClipStore | None = None,
        boost: Sequence[float] = (),
        rank: int = 0,
    ) -> None:
        """The share that falls to a rank, of those that `training` has.

        `noise`: recordings for `spec.noise`; `boost`: of each emotion, for the sampler.
        """
        self.examples = examples
        self.window = window
        self.training = training
        self.spec = spec
        self.noise = noise
        self.rank = rank
        self.batch = min(training.batch, len(examples.rows) // training.ranks * training.ranks)
        self.steps = len(examples.rows) // self.batch
        self.seed = seed
        self.boost = boost
        self.samples = round(training.crop * examples.store.sample_rate)

    def __getitem__(self, key: tuple[int, int]) -> Crops:
        """Give the batch of an (epoch, step)."""
        epoch, step = key
        order = self._order(generator_for(self.seed, epoch))
        whole = order[step * self.batch : (step + 1) * self.batch]
        chosen = whole[self.rank :: self.training.ranks].tolist()
        targets = torch.tensor([self.examples.targets[index] for index in chosen])
        generator = generator_for(self.seed, epoch, step, self.rank)
        if self.examples.features is not None:
            rows = [self.examples.rows[index] for index in chosen]
            sound = _random_pieces((self.examples.features, *self.examples.copies), rows, generator)
            return Crops(sound, torch.zeros(len(rows)), targets)
        speed = augmentation.uniform(-self.spec.speed, self.spec.speed, (len(chosen),), generator)
        lengths = (self.samples * (1 + speed)).round().long()
        longest = self.samples
        if self.spec.speed:  # the same for every batch, and room for rounding
            longest = round(self.samples * (1 + self.spec.speed)) + 1
        crops = np.zeros((len(chosen), longest), dtype=np.float32)
        for row, (index, length) in enumerate(zip(chosen, lengths.tolist(), strict=True)):
            crops[row, :length] = self._crop(self.examples.rows[index], length, generator)
        rate = self.examples.store.sample_rate
        waveform = augmentation.augment(
            torch.from_numpy(crops), lengths, rate, self.spec, self.noise, generator
        )
        return Crops(waveform, lengths, targets)

    def _order(self, generator: torch.Generator) -> torch.Tensor:
        """Give an epoch's clips in order: a permutation, or draws with replacement."""
        targets = torch.tensor(self.examples.targets)
        if self.training.sampler == "all":
            return torch.randperm(len(targets), generator=generator)
        weights = 1 / torch.bincount(targets).clamp_min(1)
        if self.boost:
            weights = weights * torch.tensor(self.boost)[: len(weights)]
        return torch.multinomial(weights[targets], len(targets), True, generator=generator)

    def _crop(self, row: int, length: int, generator: torch.Generator) -> NDArray[np.float32]:
        """Cut `length` samples from the speech of a clip and the window's margin, at random or not.

        Where that is shorter it lies somewhere inside, with the recording's own pauses around it,
        and beyond these the mirrored audio of its quieter end.
        """
        store = self.examples.store
        clip, extent, rate = store[row], store.speech(row), store.sample_rate
        start, end = 0, len(clip)
        if self.window.trim == "speech" and extent is not None:
            start = max(0, int((extent[0] - self.window.margin) * rate))
            end = min(len(clip), int((extent[1] + self.window.margin) * rate))
        spare = end - start - length  # below 0: so many samples are missing
        offset = int(torch.randint(abs(spare) + 1, (), generator=generator))
        anywhere = self.training.crop_random
        if anywhere < 1 and float(torch.rand((), generator=generator)) >= anywhere:
            offset = abs(spare) // 2
        first = start + offset if spare >= 0 else start - offset
        inside = clip[max(0, first) : max(0, first + length)]
        before = max(0, -first)
        if len(inside) == length:
            return inside
        filler = _quieter_end(clip, max(1, round(EDGE * rate)))
        sizes = before, length - before - len(inside)
        return np.concatenate([np.resize(filler, sizes[0]), inside, np.resize(filler, sizes[1])])


class EpochSteps(Sampler[tuple[int, int]]):
    """Names the batches of an epoch, (epoch, step); Lightning says which epoch it is."""

    def __init__(self, steps: int) -> None:
        """`steps`: batches in an epoch."""
        self.steps = steps
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Name the batches of this epoch from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for step in range(self.steps):
            yield self.epoch, step


class PieceBatch(NamedTuple):
    """A batch of pieces of equal length, exactly as the listening half cuts them.

    Attributes:
        sound: (batch, samples), or, where they are kept, (batch, features, time) that the front
            end gave.
        owners: (batch,) position of the piece's clip among the examples.
        targets: (batch,) index of the emotion.
        samples: of each piece.
    """

    sound: torch.Tensor
    owners: torch.Tensor
    targets: torch.Tensor
    samples: int


class WholeClips(Dataset[PieceBatch]):
    """Whole clips in batches of equal length, never changed at random; longest first."""

    def __init__(self, examples: Examples, window: WindowPolicy, batch: int = 16) -> None:
        """`batch`: most pieces in a batch."""
        self.examples = examples
        self.window = window
        by_length: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for position in range(len(examples.rows)):
            for number, (_, samples) in enumerate(self._pieces(position)):
                by_length[samples].append((position, number))
        self._batches: list[list[tuple[int, int]]] = [
            group[i : i + batch]
            for _, group in sorted(by_length.items(), reverse=True)
            for i in range(0, len(group), batch)
        ]

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> PieceBatch:
        """Give one batch."""
        members = self._batches[index]
        found = [self._pieces(position)[number] for position, number in members]
        sound = torch.from_numpy(np.stack([values for values, _ in found]))
        owners = torch.tensor([position for position, _ in members])
        targets = torch.tensor([self.examples.targets[position] for position, _ in members])
        return PieceBatch(sound, owners, targets, found[0][1])

    def _pieces(self, position: int) -> Sequence[tuple[NDArray[np.float32], int]]:
        """The pieces of a clip, as waveforms or features, and how many samples each has."""
        store, row = self.examples.store, self.examples.rows[position]
        if self.examples.features is not None:
            return self.examples.features.pieces(row)
        cut = pieces(store.audio(row), self.window, store.speech(row))
        return [(piece, len(piece)) for piece in cut]


class ChangedClips(Dataset[PieceBatch]):
    """Whole clips whose waveforms are changed at random, always the same way.

    For training alone.
    """

    def __init__(
        self, clips: WholeClips, spec: AugmentSpec, noise: ClipStore | None, seed: int
    ) -> None:
        """`noise`: recordings for `spec.noise`."""
        self.examples = clips.examples
        self.clips, self.spec, self.noise, self.seed = clips, spec, noise, seed

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> PieceBatch:
        """Give one batch."""
        whole = self.clips[index]
        rate, generator = self.examples.store.sample_rate, generator_for(self.seed, index)
        sound, spec = whole.sound, self.spec
        if spec.cut:
            sound = augmentation.cut(sound, round(spec.cut * rate), spec.cut_random, generator)
        lengths = torch.full((len(sound),), sound.shape[1])
        sound = augmentation.augment(sound, lengths, rate, spec, self.noise, generator)
        return whole._replace(sound=sound, samples=sound.shape[1])


def generator_for(*seed: int) -> torch.Generator:
    """Make a generator for a seed of several parts, each 0 or more.

    Up to four parts below 2**32, a 0 at the end changes nothing: rank 0 draws what one process did.
    """
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _random_pieces(
    stores: Sequence[Features], rows: Sequence[int], generator: torch.Generator
) -> torch.Tensor:
    """Features of clips, each from a store at random, of a piece at random where it has several."""
    chosen = []
    for row in rows:
        found = stores[int(torch.randint(len(stores), (), generator=generator))].pieces(row)
        chosen.append(found[int(torch.randint(len(found), (), generator=generator))][0])
    return torch.from_numpy(np.stack(chosen))


def _quieter_end(clip: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """The quieter of a clip's ends, there and back, so that repeats of it join up."""
    ends = (clip[:samples], clip[-samples:])
    edge = min(ends, key=lambda end: float(np.square(end).sum()))
    return np.concatenate([edge, edge[::-1]])
