"""Folds: who trains, validates and tests, and the checks that no split can go without."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip
from sottovoce.text import display_path


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


def check_taught(split: Split, clips: Sequence[Clip]) -> None:
    """Stop when an emotion is tested that no training clip has."""
    for fold in split.folds:
        taught = {clips[i].emotion for i in fold.train}
        for emotion in (clips[i].emotion for i in fold.test):
            if emotion not in taught:
                raise CorpusError(
                    f"fold {fold.name} of {split.protocol}: {emotion} is tested, but no clip of "
                    f"it is left to train on; leave {emotion} out of the labels, or add clips"
                )
