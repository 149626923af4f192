"""Protocols: the ways to split clips into those that train, validate and test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip, is_known_speaker
from sottovoce.learn.splits.folds import (
    Fold,
    Split,
    clip_fold,
    fraction_of,
    grouped,
    shuffled,
    speaker_folds,
    speakers_by_sex,
    stratified_order,
    stratified_parts,
)
from sottovoce.learn.splits.leaks import check_labels, check_leaks
from sottovoce.text import display_path

if TYPE_CHECKING:
    from sottovoce.learn.recipe.specs import ProtocolSpec

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
    """Split clips as a recipe's table `[protocol]` says; the same seed gives the same split.

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
    check_labels(split, clips)
    return split


def _emobox6(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    others = sorted({clip.corpus for clip in clips} - {"ravdess"})
    if others:
        raise CorpusError(
            f"protocol emobox6 is for RAVDESS alone, and here is {', '.join(others)} too; "
            "use speakers or loso"
        )
    folds = [[f"ravdess/{actor:02}" for actor in actors] for actors in EMOBOX6]
    found = {clip.speaker for clip in clips}
    missing = sorted(set(itertools.chain(*folds)) - found)
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
    return _by_speaker(protocol, clips, [[speaker] for speaker in speakers], rng, speakers)


def _speakers(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    groups = speakers_by_sex(clips)
    count = sum(map(len, groups.values()))
    if count < protocol.folds:
        raise CorpusError(
            f"protocol speakers: {protocol.folds} folds need as many speakers, and here "
            f"{'is 1' if count == 1 else f'are {count}'}; set protocol.folds lower or add speakers"
        )
    folds = stratified_parts(groups.values(), protocol.folds, rng)
    return _by_speaker(protocol, clips, folds, rng)


def _holdout_speakers(
    protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator
) -> Split:
    """One fold: fractions of the speakers, alike in sex, test and validate."""
    order = stratified_order(speakers_by_sex(clips).values(), rng)
    test_count = fraction_of(protocol.test_fraction, len(order))
    validation_count = fraction_of(protocol.validation_fraction, len(order))
    if test_count + validation_count >= len(order):
        raise CorpusError(
            f"protocol holdout-speakers: {len(order)} speakers are too few to test on "
            f"{test_count}, validate on {validation_count} and train on others; add speakers"
        )
    side_of = dict.fromkeys(order, "train")
    side_of |= dict.fromkeys(order[: test_count + validation_count], "validation")
    side_of |= dict.fromkeys(order[:test_count], "test")
    sides = grouped(range(len(clips)), lambda i: side_of[clips[i].speaker])
    return Split(protocol.name, (_fold(sides),), optimistic=False)


def _random(protocol: ProtocolSpec, clips: Sequence[Clip], rng: np.random.Generator) -> Split:
    """Folds of clips, stratified by emotion; exact copies stay together."""
    units = _units(protocol, clips)
    count = sum(map(len, units.values()))
    if count < protocol.folds:
        raise CorpusError(
            f"protocol random: {protocol.folds} folds need as many different clips, and there are "
            f"{count}; set protocol.folds lower"
        )
    tests = stratified_parts(units.values(), protocol.folds, rng)
    folds = [
        clip_fold(units, test, protocol.validation_fraction, str(number), rng)
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
        for unit in shuffled(group, rng)[: fraction_of(protocol.test_fraction, len(group))]
    ]
    fold = clip_fold(units, test, protocol.validation_fraction, "1", rng)
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
    corpora = {clip.corpus for clip in clips}
    test_speakers = []
    for test in tests:
        train = corpora - test
        if test - corpora:
            unused = ", ".join(sorted(test - corpora))
            raise CorpusError(
                f"protocol {protocol.name}: no clip of {unused} has an emotion of the labels, so "
                "there is nothing to test on"
            )
        if not train:
            raise CorpusError(
                f"protocol {protocol.name} trains on some corpora and tests on others, but all "
                f"clips here are of {', '.join(sorted(test))}; add a corpus"
            )
        train_clips = [clip for clip in clips if clip.corpus in train]
        test_clips = [clip for clip in clips if clip.corpus in test]
        if not {clip.emotion for clip in train_clips} & {clip.emotion for clip in test_clips}:
            raise CorpusError(
                f"protocol {protocol.name}: no emotion is common to {_emotions_of(train_clips)} "
                f"and {_emotions_of(test_clips)}; choose other corpora or labels"
            )
        speakers = {clip.speaker for clip in test_clips}
        both = sorted(speakers & {clip.speaker for clip in train_clips})
        if both:
            raise CorpusError(
                f"protocol {protocol.name}: {', '.join(sorted(train))} and "
                f"{', '.join(sorted(test))} have speakers in common ({both[0]}), so neither can "
                "test the other; leave one out"
            )
        test_speakers.append(speakers)
    names = ["-".join(sorted(test)) for test in tests]
    return _by_speaker(protocol, clips, test_speakers, rng, names)


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
    """The one fold that a table gives; optimistic where its speakers are on several sides."""
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
            raise _too_many_validation_speakers(protocol, "the table", len(speakers["train"]) - 1)
        groups = speakers_by_sex(clips[i] for i in sides["train"]).values()
        chosen = set(stratified_order(groups, rng)[:count])
        drawn = grouped(sides["train"], lambda i: clips[i].speaker in chosen)
        sides |= {"train": drawn[False], "validation": drawn[True]}
        speakers |= {"train": speakers["train"] - chosen, "validation": chosen}
    pairs = itertools.combinations(speakers.values(), 2)
    return Split(protocol.name, (_fold(sides),), optimistic=any(a & b for a, b in pairs))


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
    """Folds that test on these speakers; `names` of speakers or corpora become those of folds."""
    files = [name.replace("/", "-") for name in names]
    folds = speaker_folds(clips, tests, protocol.validation_speakers, rng, files)
    for number, (fold, test) in enumerate(zip(folds, tests, strict=True), start=1):
        if not fold.train:
            most = len({clip.speaker for clip in clips}.difference(test)) - 1
            raise _too_many_validation_speakers(protocol, f"fold {number}", most)
    return Split(protocol.name, tuple(folds), optimistic=False)


def _fold(sides: Mapping[str, Sequence[int]]) -> Fold:
    """The only fold of a split, from the clips of each side."""
    return Fold("1", *(tuple(sides.get(side, ())) for side in ("train", "validation", "test")))


def _too_many_validation_speakers(protocol: ProtocolSpec, where: str, most: int) -> CorpusError:
    return CorpusError(
        f"protocol {protocol.name}: with {protocol.validation_speakers} validation speakers nobody "
        f"is left to train on in {where}; set protocol.validation_speakers to "
        + (f"{most} or less" if most > 0 else "0")
    )
