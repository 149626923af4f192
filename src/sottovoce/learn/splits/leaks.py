"""The checks that no split goes without: nothing trained on is tested on, nothing tested is new."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sottovoce.audio.parts import ROUNDING, AudioPart
from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip
from sottovoce.learn.splits.folds import Split


def check_leaks(split: Split, clips: Sequence[Clip]) -> None:
    """Stop when what is trained on is also validated or tested on.

    Compares the clips themselves, their audio content (exact copies, and parts of one file that
    overlap), and, unless the split is known to be optimistic, their speakers.

    Raises:
        CorpusError: something is on two sides; the text gives an example.
    """
    for fold in split.folds:
        sides = {"train": fold.train, "validation": fold.validation, "test": fold.test}
        for (name_a, side_a), (name_b, side_b) in itertools.combinations(sides.items(), 2):
            where = f"both in {name_a} and in {name_b}"
            start = f"fold {fold.name} of {split.protocol}:"
            for index in sorted(set(side_a) & set(side_b)):
                raise CorpusError(f"{start} {clips[index].part} is {where}")
            parts = ([clips[i].part for i in side] for side in (side_a, side_b))
            for one, other in _overlaps(*parts):
                raise CorpusError(
                    f"{start} {one} and {other} overlap, and are {where}; remove one of the two"
                )
            audio = {clips[i].digest: clips[i].part for i in side_a if clips[i].digest}
            speakers = {clips[i].speaker for i in side_a}
            for clip in (clips[i] for i in side_b):
                if clip.speaker in speakers and not split.optimistic:
                    raise CorpusError(f"{start} speaker {clip.speaker} is {where}")
                if clip.digest in audio:
                    copies = f"{audio[clip.digest]} and {clip.part}"
                    raise CorpusError(
                        f"{start} the same audio is ({copies}) {where}; remove one of the two"
                    )


def _overlaps(
    side_a: Iterable[AudioPart], side_b: Iterable[AudioPart]
) -> Iterator[tuple[AudioPart, AudioPart]]:
    """Pairs of parts of one file, one of each side, that share more than a rounding."""
    by_file: dict[Path, list[tuple[AudioPart, int]]] = defaultdict(list)
    for side, parts in enumerate((side_a, side_b)):
        for part in parts:
            by_file[part.path].append((part, side))
    for found in by_file.values():
        furthest: list[AudioPart | None] = [None, None]
        for part, side in sorted(found, key=lambda item: item[0].start):
            other = furthest[1 - side]
            if other is not None and _end(other) > part.start + ROUNDING:
                yield other, part
            own = furthest[side]
            if own is None or _end(part) > _end(own):
                furthest[side] = part


def _end(part: AudioPart) -> float:
    return float("inf") if part.end is None else part.end


def check_labels(split: Split, clips: Sequence[Clip]) -> None:
    """Stop when an emotion is tested that no training clip has.

    Raises:
        CorpusError: there is one; the text names it.
    """
    for fold in split.folds:
        trained = {clips[i].emotion for i in fold.train}
        for emotion in (clips[i].emotion for i in fold.test):
            if emotion not in trained:
                raise CorpusError(
                    f"fold {fold.name} of {split.protocol}: {emotion} is tested, but no clip of "
                    f"it is left to train on; leave {emotion} out of the labels, or add clips"
                )
