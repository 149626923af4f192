"""Folds: which clips train, validate and test, drawn at random with every group represented."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from sottovoce.learn.corpora import Clip

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Fold:
    """One training and its test; the numbers are indices into the clips that were split."""

    name: str
    """Fit for a file name."""
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """All folds of a protocol."""

    protocol: str
    folds: tuple[Fold, ...]
    optimistic: bool
    """Speakers are on both sides: figures flatter, and every report has to say so."""


def speaker_folds(
    clips: Sequence[Clip],
    test_speakers: Sequence[Iterable[str]],
    validation_speakers: int,
    rng: np.random.Generator,
    names: Sequence[str] = (),
) -> list[Fold]:
    """Folds with these test speakers; validation speakers are drawn from the others.

    Validation speakers are balanced by sex and change from fold to fold.

    Args:
        clips: all that are split.
        test_speakers: of each fold.
        validation_speakers: how many of them a fold has; it may leave nobody to train on.
        rng: draws them.
        names: of the folds; numbers from 1 if there are none.
    """
    queues = [shuffled(speakers, rng) for speakers in speakers_by_sex(clips).values()]
    clips_of = grouped(range(len(clips)), lambda i: clips[i].speaker)
    folds = []
    for number, test in enumerate(map(set, test_speakers)):
        validation = _validation_speakers(validation_speakers, queues, test, number)
        train = clips_of.keys() - test - validation
        sides = (
            tuple(sorted(itertools.chain(*(clips_of[speaker] for speaker in side))))
            for side in (train, validation, test)
        )
        folds.append(Fold(names[number] if names else str(number + 1), *sides))
    return folds


def _validation_speakers(
    count: int, queues: Sequence[Sequence[str]], test: set[str], fold: int
) -> set[str]:
    """Take speakers from the sexes in turn, from another place in each queue for every fold."""
    turns = []
    for queue in queues:
        start = fold * -(-count // len(queues)) % len(queue)
        turns.append([name for name in (*queue[start:], *queue[:start]) if name not in test])
    first = fold % len(turns)
    rounds = itertools.zip_longest(*turns[first:], *turns[:first])
    order = (name for names in rounds for name in names if name is not None)
    return set(itertools.islice(order, count))


def clip_fold(
    units: Mapping[str, Sequence[Sequence[int]]],
    test: Iterable[Sequence[int]],
    validation_fraction: float,
    name: str,
    rng: np.random.Generator,
) -> Fold:
    """A fold with these test clips; its validation clips are drawn from the others.

    Args:
        units: emotion -> its clips, those that must stay together in one sequence.
        test: the units to test on.
        validation_fraction: of each emotion's units, so many validate; one is left to train on.
        name: of the fold.
        rng: draws them.
    """
    test = list(test)
    tested = set(itertools.chain(*test))
    validation: list[Sequence[int]] = []
    train: list[Sequence[int]] = []
    for group in units.values():
        left = shuffled([unit for unit in group if unit[0] not in tested], rng)
        count = min(round(validation_fraction * len(group)), max(len(left) - 1, 0))
        validation += left[:count]
        train += left[count:]
    sides = (tuple(sorted(itertools.chain(*side))) for side in (train, validation, test))
    return Fold(name, *sides)


def speakers_by_sex(clips: Iterable[Clip]) -> dict[tuple[str, str], list[str]]:
    """(sex, corpus) -> its speakers, both in order."""
    speakers = {clip.speaker: (clip.sex, clip.corpus) for clip in clips}
    return dict(sorted(grouped(sorted(speakers), speakers.__getitem__).items()))


def stratified_parts(
    groups: Iterable[Sequence[T]], parts: int, rng: np.random.Generator
) -> list[list[T]]:
    """Distribute the items of each group, shuffled, over some parts.

    The next group goes on where the last one ended, so the sizes of the parts differ by one at
    most, and so do their numbers of items of each group.
    """
    items = itertools.chain(*(shuffled(group, rng) for group in groups))
    filled: list[list[T]] = [[] for _ in range(parts)]
    for item, part in zip(items, itertools.cycle(filled), strict=False):
        part.append(item)
    return filled


def stratified_order(groups: Iterable[Sequence[T]], rng: np.random.Generator) -> list[T]:
    """Put all items into one random order whose every beginning represents each group."""
    ranked = [
        ((place + 0.5) / len(group), number, item)
        for number, group in enumerate(groups)
        for place, item in enumerate(shuffled(group, rng))
    ]
    return [item for *_, item in sorted(ranked, key=lambda entry: entry[:2])]


def fraction_of(fraction: float, count: int) -> int:
    """A fraction of `count`, rounded, and at least 1 unless the fraction is 0."""
    return max(round(fraction * count), 1) if fraction else 0


def shuffled(items: Sequence[T], rng: np.random.Generator) -> list[T]:
    """The items in a random order."""
    return [items[i] for i in rng.permutation(len(items))]


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Key -> the items that have it, in order."""
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)
