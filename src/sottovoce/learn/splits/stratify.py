"""Dealing things out at random, in fair shares of every group."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def deal(groups: Iterable[Sequence[T]], hands: int, rng: np.random.Generator) -> list[list[T]]:
    """Deal each group, shuffled, one by one; the next goes on where the last ended.

    So the hands' sizes differ by one at most, and so do their shares of each group.
    """
    cards = itertools.chain(*(shuffled(group, rng) for group in groups))
    dealt: list[list[T]] = [[] for _ in range(hands)]
    for card, hand in zip(cards, itertools.cycle(dealt), strict=False):
        hand.append(card)
    return dealt


def spread(groups: Iterable[Sequence[T]], rng: np.random.Generator) -> list[T]:
    """Put all groups into one random order of which every beginning holds its share of each."""
    places = [
        ((place + 0.5) / len(group), number, item)
        for number, group in enumerate(groups)
        for place, item in enumerate(shuffled(group, rng))
    ]
    return [item for *_, item in sorted(places, key=lambda each: each[:2])]


def share(share: float, count: int) -> int:
    """So many of `count`: at least one of two or more, unless the share is 0."""
    return max(round(share * count), 1) if share else 0


def shuffled(items: Sequence[T], rng: np.random.Generator) -> list[T]:
    """Put items into a random order."""
    return [items[i] for i in rng.permutation(len(items))]


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Gather items of the same key, in order."""
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)
