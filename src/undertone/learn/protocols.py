"""Protocols: who is trained on, who is validated on and who is tested on, and no leak between."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from undertone.display import display_path
from undertone.errors import CorpusError
from undertone.learn.corpora import Clip

if TYPE_CHECKING:
    from undertone.learn.recipe import ProtocolSpec

T = TypeVar("T")

EMOBOX6 = (
    (1, 11, 20, 21),
    (4, 10, 12, 14),
    (8, 9, 19, 23),
    (3, 5, 7, 24),
    (2, 15, 16, 18),
    (6, 13, 17, 22),
)
"""The test actors of EmoBox's six folds of RAVDESS (Ma et al., 2024)."""


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


def make_split(protocol: ProtocolSpec, clips: Sequence[Clip], seed: int) -> Split:
    """Split clips as a recipe's table `[protocol]` asks; the same seed gives the same split.

    Validation speakers come from the training speakers of their fold, balanced by sex; from fold
    to fold they change.

    Raises:
        CorpusError: the protocol needs other speakers, or more of them, or the split leaks.
    """
    if not clips:
        raise CorpusError(f"protocol {protocol.name}: there is no clip to split")
    split = PROTOCOLS[protocol.name](protocol, clips, np.random.default_rng(seed))
    check_leaks(split, clips)
    return split


def check_leaks(split: Split, clips: Sequence[Clip]) -> None:
    """Stop when what is trained on is also validated or tested on.

    Compares the clips themselves, their audio content (exact copies), and, unless the split is
    said to be optimistic, their speakers.

    Raises:
        CorpusError: something is on two sides; the text gives an example.
    """
    for fold in split.folds:
        sides = {"train": fold.train, "validation": fold.validation, "test": fold.test}
        for (one, first), (other, second) in itertools.combinations(sides.items(), 2):
            where = f"fold {fold.name} of {split.protocol}: %s both in {one} and in {other}"
            for index in sorted(set(first) & set(second)):
                raise CorpusError(where % f"{display_path(clips[index].path)} is")
            contents = {clips[i].digest: clips[i] for i in first if clips[i].digest}
            speakers = {clips[i].speaker for i in first}
            for clip in (clips[i] for i in second):
                if clip.speaker in speakers and not split.optimistic:
                    raise CorpusError(where % f"speaker {clip.speaker} is")
                if clip.digest in contents:
                    copies = (contents[clip.digest].path, clip.path)
                    text = where % f"the same audio is ({' and '.join(map(display_path, copies))})"
                    raise CorpusError(f"{text}; remove one of the two")


def _emobox6(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    others = sorted({clip.corpus for clip in clips} - {"ravdess"})
    if others:
        raise CorpusError(
            f"protocol emobox6 is for RAVDESS alone, and here is {', '.join(others)} too; "
            "use speakers or loso"
        )
    folds = [[f"ravdess/{actor:02}" for actor in actors] for actors in EMOBOX6]
    here = {clip.speaker for clip in clips}
    missing = sorted(set(itertools.chain(*folds)) - here)
    if missing:
        names = ", ".join(speaker.replace("ravdess/", "Actor_") for speaker in missing)
        raise CorpusError(
            f"protocol emobox6 needs all 24 actors of RAVDESS, and {names} is missing; "
            "complete the corpus, or use speakers"
        )
    return _by_speaker(protocol, clips, folds, rng)


def _loso(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    speakers = sorted({clip.speaker for clip in clips})
    if len(speakers) < 2:
        raise CorpusError(
            f"protocol loso tests on one speaker and trains on the others, but {speakers[0]} is "
            "the only one here"
        )
    names = [speaker.replace("/", "-") for speaker in speakers]
    return _by_speaker(protocol, clips, [[speaker] for speaker in speakers], rng, names)


def _speakers(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    groups = _by_sex(clips)
    count = sum(map(len, groups.values()))
    if count < protocol.folds:
        raise CorpusError(
            f"protocol speakers: {protocol.folds} folds need as many speakers, and here "
            f"{'is 1' if count == 1 else f'are {count}'}; set protocol.folds lower or add speakers"
        )
    folds = _deal(groups.values(), protocol.folds, rng)
    return _by_speaker(protocol, clips, folds, rng)


def _random(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    """Folds of clips, stratified by emotion; exact copies stay together."""
    copies = _group(range(len(clips)), lambda i: clips[i].digest or i)
    units = _group(copies.values(), lambda unit: clips[unit[0]].emotion)
    if len(copies) < protocol.folds:
        raise CorpusError(
            f"protocol random: {protocol.folds} folds need as many different clips, and there are "
            f"{len(copies)}; set protocol.folds lower"
        )
    tests = _deal(units.values(), protocol.folds, rng)
    speakers = len({clip.speaker for clip in clips})
    share = protocol.validation_speakers / speakers
    if share >= 1 - 1 / protocol.folds:
        most = math.ceil(speakers * (1 - 1 / protocol.folds)) - 1
        _too_many_validation_speakers(protocol, "a fold", most)
    folds = []
    for number, test in enumerate(tests, start=1):
        tested = {unit[0] for unit in test}
        held: list[list[int]] = []
        rest: list[list[int]] = []
        for group in units.values():
            left = _shuffled([unit for unit in group if unit[0] not in tested], rng)
            cut = min(round(share * len(group)), max(len(left) - 1, 0))
            held += left[:cut]
            rest += left[cut:]
        train, validation, tested_on = (
            tuple(sorted(itertools.chain(*side))) for side in (rest, held, test)
        )
        folds.append(Fold(str(number), train, validation, tested_on))
    return Split(protocol.name, tuple(folds), optimistic=True)


def _none(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    return Split(protocol.name, (Fold("all", tuple(range(len(clips))), (), ()),), optimistic=False)


PROTOCOLS: Mapping[str, Callable[[ProtocolSpec, Sequence[Clip], np.random.Generator], Split]] = (
    MappingProxyType(
        {
            "emobox6": _emobox6,
            "loso": _loso,
            "speakers": _speakers,
            "random": _random,
            "none": _none,
        }
    )
)
"""Each protocol by the name that recipes use."""


def _by_speaker(
    protocol: ProtocolSpec,
    clips: Sequence[Clip],
    tests: Sequence[Iterable[str]],
    rng: np.random.Generator,
    names: Sequence[str] = (),
) -> Split:
    """Folds with these test speakers; validation speakers are drawn from the others."""
    queues = [_shuffled(group, rng) for _, group in sorted(_by_sex(clips).items())]
    of_speaker = _group(range(len(clips)), lambda i: clips[i].speaker)
    folds = []
    for number, test in enumerate(map(set, tests)):
        validation = _validation(protocol.validation_speakers, queues, test, number)
        train = of_speaker.keys() - test - validation
        if not train:
            most = len(of_speaker.keys() - test) - 1
            _too_many_validation_speakers(protocol, f"fold {number + 1}", most)
        sides = (
            tuple(sorted(itertools.chain(*(of_speaker[speaker] for speaker in side))))
            for side in (train, validation, test)
        )
        folds.append(Fold(names[number] if names else str(number + 1), *sides))
    return Split(protocol.name, tuple(folds), optimistic=False)


def _validation(count: int, queues: Sequence[Sequence[str]], test: set[str], fold: int) -> set[str]:
    """Take speakers from the sexes in turn, from another place in each queue for every fold."""
    turns = []
    for queue in queues:
        start = fold * -(-count // len(queues)) % len(queue)
        turns.append([name for name in (*queue[start:], *queue[:start]) if name not in test])
    first = fold % len(turns)
    rounds = itertools.zip_longest(*turns[first:], *turns[:first])
    order = (name for names in rounds for name in names if name is not None)
    return set(itertools.islice(order, count))


def _too_many_validation_speakers(protocol: ProtocolSpec, where: str, most: int) -> None:
    raise CorpusError(
        f"protocol {protocol.name}: with {protocol.validation_speakers} validation speakers nobody "
        f"is left to train on in {where}; set protocol.validation_speakers to {most} or less"
    )


def _by_sex(clips: Sequence[Clip]) -> dict[tuple[str, str], list[str]]:
    """(sex, corpus) -> speakers."""
    speakers = {clip.speaker: (clip.sex, clip.corpus) for clip in clips}
    return dict(sorted(_group(sorted(speakers), speakers.__getitem__).items()))


def _deal(groups: Iterable[Sequence[T]], hands: int, rng: np.random.Generator) -> list[list[T]]:
    """Deal each group, shuffled, one by one; the next goes on where the last ended.

    So the hands' sizes differ by one at most, and so do their shares of each group.
    """
    cards = itertools.chain(*(_shuffled(group, rng) for group in groups))
    dealt: list[list[T]] = [[] for _ in range(hands)]
    for card, hand in zip(cards, itertools.cycle(dealt), strict=False):
        hand.append(card)
    return dealt


def _shuffled(items: Sequence[T], rng: np.random.Generator) -> list[T]:
    return [items[i] for i in rng.permutation(len(items))]


K = TypeVar("K", bound=Hashable)


def _group(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)
