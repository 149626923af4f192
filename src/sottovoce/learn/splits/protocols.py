"""Protocols: who is trained on, who is validated on and who is tested on, and no leak between."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip, is_known_speaker
from sottovoce.learn.splits.folds import Fold, Split, check_leaks, check_taught
from sottovoce.learn.splits.stratify import deal, grouped, share, shuffled, spread
from sottovoce.text import display_path

if TYPE_CHECKING:
    from sottovoce.learn.recipe.specs import ProtocolSpec

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


def make_split(protocol: ProtocolSpec, clips: Sequence[Clip], seed: int) -> Split:
    """Split clips as a recipe's table `[protocol]` asks; the same seed gives the same split.

    Validation speakers come from the training speakers of their fold, balanced by sex; from fold
    to fold they change.

    Raises:
        CorpusError: the protocol needs other speakers, or more of them, the split leaks, or an
            emotion is tested that is not trained on.
    """
    if not clips:
        raise CorpusError(f"protocol {protocol.name}: there is no clip to split")
    if protocol.name in ("loso", "speakers", "holdout-speakers"):
        nobody = sum(not is_known_speaker(clip.speaker) for clip in clips)
        if nobody:
            raise CorpusError(
                f"protocol {protocol.name} keeps speakers apart, and it is not known who speaks in "
                f"{nobody} of {len(clips)} clips; name the column of speakers, or use random or "
                "holdout-random"
            )
    split = PROTOCOLS[protocol.name](protocol, clips, np.random.default_rng(seed))
    check_leaks(split, clips)
    check_taught(split, clips)
    return split


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
    folds = deal(groups.values(), protocol.folds, rng)
    return _by_speaker(protocol, clips, folds, rng)


def _holdout_speakers(
    protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator
) -> Split:
    """One fold: shares of the speakers, alike in sex, are tested on and validated on."""
    order = spread(_by_sex(clips).values(), rng)
    tested = share(protocol.test_fraction, len(order))
    held = share(protocol.validation_fraction, len(order))
    if tested + held >= len(order):
        raise CorpusError(
            f"protocol holdout-speakers: {len(order)} speakers are too few to test on {tested}, "
            f"validate on {held} and train on others; add speakers"
        )
    side = {
        name: 0 if i < tested else 1 if i < tested + held else 2 for i, name in enumerate(order)
    }
    sides = grouped(range(len(clips)), lambda i: side[clips[i].speaker])
    test, validation, train = (tuple(sides.get(number, ())) for number in range(3))
    return Split(protocol.name, (Fold("1", train, validation, test),), optimistic=False)


def _random(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    """Folds of clips, stratified by emotion; exact copies stay together."""
    units = _units(protocol, clips)
    count = sum(map(len, units.values()))
    if count < protocol.folds:
        raise CorpusError(
            f"protocol random: {protocol.folds} folds need as many different clips, and there are "
            f"{count}; set protocol.folds lower"
        )
    tests = deal(units.values(), protocol.folds, rng)
    folds = [
        _fold_of_clips(protocol, units, test, str(number), rng)
        for number, test in enumerate(tests, start=1)
    ]
    return Split(protocol.name, tuple(folds), optimistic=True)


def _holdout_random(
    protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator
) -> Split:
    """One fold of clips, stratified by emotion; exact copies stay together."""
    units = _units(protocol, clips)
    test = [
        unit
        for group in units.values()
        for unit in shuffled(group, rng)[: share(protocol.test_fraction, len(group))]
    ]
    fold = _fold_of_clips(protocol, units, test, "1", rng)
    return Split(protocol.name, (fold,), optimistic=True)


def _units(protocol: ProtocolSpec, clips: Sequence[Clip]) -> dict[str, list[list[int]]]:
    """Emotion -> its clips, exact copies taken together."""
    copies = grouped(range(len(clips)), lambda i: clips[i].digest or i)
    units = grouped(copies.values(), lambda unit: clips[unit[0]].emotion)
    for emotion, group in units.items():
        if len(group) < 2:
            raise CorpusError(
                f"protocol {protocol.name}: {emotion} has 1 clip, which cannot be both trained "
                f"and tested on; leave {emotion} out of the labels, or add clips"
            )
    return units


def _fold_of_clips(
    protocol: ProtocolSpec,
    units: Mapping[str, Sequence[Sequence[int]]],
    test: Iterable[Sequence[int]],
    name: str,
    rng: np.random.Generator,
) -> Fold:
    """A fold with these test clips; its validation clips are drawn from the others."""
    tested_on = tuple(sorted(itertools.chain(*test)))
    tested = set(tested_on)
    held: list[Sequence[int]] = []
    rest: list[Sequence[int]] = []
    for group in units.values():
        left = shuffled([unit for unit in group if unit[0] not in tested], rng)
        cut = min(round(protocol.validation_fraction * len(group)), max(len(left) - 1, 0))
        held += left[:cut]
        rest += left[cut:]
    train, validation = (tuple(sorted(itertools.chain(*side))) for side in (rest, held))
    return Fold(name, train, validation, tested_on)


def _cross_corpus(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    """One fold: some corpora are tested on, the others are trained on."""
    return _by_corpus(protocol, clips, [set(protocol.test_corpora)], rng)


def _leave_one_corpus_out(
    protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator
) -> Split:
    names = sorted({clip.corpus for clip in clips})
    return _by_corpus(protocol, clips, [{name} for name in names], rng)


def _by_corpus(
    protocol: ProtocolSpec,
    clips: Sequence[Clip],
    tests: Sequence[set[str]],
    rng: np.random.Generator,
) -> Split:
    """Folds that test on these corpora, and train on the others."""
    here = {clip.corpus for clip in clips}
    speakers = []
    for test in tests:
        train = here - test
        if test - here:
            names = ", ".join(sorted(test - here))
            raise CorpusError(
                f"protocol {protocol.name}: no clip of {names} has an emotion of the labels, so "
                "there is nothing to test on"
            )
        if not train:
            raise CorpusError(
                f"protocol {protocol.name} trains on some corpora and tests on others, but all "
                f"clips here are of {', '.join(sorted(test))}; add a corpus"
            )
        one, other = ([clip for clip in clips if clip.corpus in side] for side in (train, test))
        if not {clip.emotion for clip in one} & {clip.emotion for clip in other}:
            raise CorpusError(
                f"protocol {protocol.name}: no emotion is common to {_emotions_of(one)} and "
                f"{_emotions_of(other)}; choose other corpora or labels"
            )
        tested = {clip.speaker for clip in other}
        both = sorted(tested & {clip.speaker for clip in one})
        if both:
            raise CorpusError(
                f"protocol {protocol.name}: {', '.join(sorted(train))} and "
                f"{', '.join(sorted(test))} have speakers in common ({both[0]}), so neither can "
                "test the other; leave one out"
            )
        speakers.append(tested)
    return _by_speaker(protocol, clips, speakers, rng, ["-".join(sorted(test)) for test in tests])


def _emotions_of(clips: Sequence[Clip]) -> str:
    """Corpora and their emotions in words: "tess (happy, sad)"."""
    corpora, emotions = ({getattr(clip, key) for clip in clips} for key in ("corpus", "emotion"))
    return f"{', '.join(sorted(corpora))} ({', '.join(sorted(emotions))})"


SIDES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("train", "training"), "train"),
        **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
        **dict.fromkeys(("test", "testing", "eval"), "test"),
    }
)
"""What people's own tables call a side -> the side."""


def _split_column(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    """The one fold that a table says; optimistic where its speakers are on several sides."""
    wrong = next((clip for clip in clips if clip.split.lower() not in SIDES), None)
    if wrong is not None:
        raise CorpusError(
            f"protocol split: {display_path(wrong.path)} has the split {wrong.split!r}; the "
            f"column for it should say {', '.join(SIDES)}"
        )
    sides = grouped(range(len(clips)), lambda i: SIDES[clips[i].split.lower()])
    for side in ("train", "test"):
        if side not in sides:
            raise CorpusError(f"protocol split: no clip of the recipe's emotions has split {side}")
    speakers = {side: {clips[i].speaker for i in sides[side]} for side in sides}
    if "validation" not in sides and protocol.validation_speakers:
        count = protocol.validation_speakers
        if count >= len(speakers["train"]):
            _too_many_validation_speakers(protocol, "the table", len(speakers["train"]) - 1)
        groups = _by_sex([clips[i] for i in sides["train"]]).values()
        held = set(spread(groups, rng)[:count])
        drawn = grouped(sides["train"], lambda i: clips[i].speaker in held)
        sides |= {"train": drawn[False], "validation": drawn[True]}
        speakers |= {"train": speakers["train"] - held, "validation": held}
    pairs = itertools.combinations(speakers.values(), 2)
    fold = Fold("1", *(tuple(sides.get(side, ())) for side in ("train", "validation", "test")))
    return Split(protocol.name, (fold,), optimistic=any(one & other for one, other in pairs))


def _none(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    return Split(protocol.name, (Fold("all", tuple(range(len(clips))), (), ()),), optimistic=False)


PROTOCOLS: Mapping[str, Callable[[ProtocolSpec, Sequence[Clip], np.random.Generator], Split]] = (
    MappingProxyType(
        {
            "emobox6": _emobox6,
            "loso": _loso,
            "speakers": _speakers,
            "holdout-speakers": _holdout_speakers,
            "random": _random,
            "holdout-random": _holdout_random,
            "cross-corpus": _cross_corpus,
            "leave-one-corpus-out": _leave_one_corpus_out,
            "split": _split_column,
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
    queues = [shuffled(group, rng) for _, group in sorted(_by_sex(clips).items())]
    of_speaker = grouped(range(len(clips)), lambda i: clips[i].speaker)
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
        f"is left to train on in {where}; set protocol.validation_speakers to "
        + (f"{most} or less" if most > 0 else "0")
    )


def _by_sex(clips: Sequence[Clip]) -> dict[tuple[str, str], list[str]]:
    """(sex, corpus) -> speakers."""
    speakers = {clip.speaker: (clip.sex, clip.corpus) for clip in clips}
    return dict(sorted(grouped(sorted(speakers), speakers.__getitem__).items()))
