"""Who is trained on, validated on and tested on."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.emotions import LABEL_SETS
from undertone.errors import CorpusError
from undertone.learn import corpora
from undertone.learn.corpora import Clip
from undertone.learn.protocols import EMOBOX6, Fold, Split, check_leaks, make_split
from undertone.learn.recipe import ProtocolSpec

EMOTIONS = LABEL_SETS["ravdess8"]


def clip(speaker: str, sex: str, emotion: str, number: int, corpus: str = "ravdess") -> Clip:
    name = f"{speaker.replace('/', '-')}-{emotion}-{number}"
    return Clip(Path(f"{name}.wav"), corpus, speaker, sex, emotion, duration=1.0, digest=name)


def cast(men: int, women: int, each: int = 2, corpus: str = "ravdess") -> list[Clip]:
    """Speakers 01, 02 ...: the men first; `each` clips of every emotion."""
    return [
        clip(f"{corpus}/{number:02}", "male" if number <= men else "female", emotion, i, corpus)
        for number in range(1, men + women + 1)
        for emotion in EMOTIONS
        for i in range(each)
    ]


def all_actors() -> list[Clip]:
    return [
        clip(f"ravdess/{actor:02}", "male" if actor % 2 else "female", emotion, i)
        for actor in range(1, 25)
        for emotion in EMOTIONS
        for i in range(2)
    ]


def speakers(clips: Sequence[Clip], side: Iterable[int]) -> set[str]:
    return {clips[i].speaker for i in side}


def sexes(clips: Sequence[Clip], side: Iterable[int]) -> Counter[str]:
    return Counter(sex for _, sex in {(clips[i].speaker, clips[i].sex) for i in side})


def spec(name: str, folds: int = 5, validation: int = 4) -> ProtocolSpec:
    return ProtocolSpec.model_validate(
        {"name": name, "folds": folds, "validation_speakers": validation}
    )


casts = st.builds(cast, st.integers(3, 9), st.integers(3, 9), st.integers(1, 3))
seeds = st.integers(0, 2**32)


@given(casts, seeds, st.sampled_from(["loso", "speakers", "random"]), st.integers(0, 3))
def test_every_clip_is_in_one_test_and_every_fold_holds_all_clips(
    clips: list[Clip], seed: int, name: str, validation: int
) -> None:
    split = make_split(spec(name, validation=validation), clips, seed)
    tested = sorted(i for fold in split.folds for i in fold.test)
    assert tested == list(range(len(clips)))
    for fold in split.folds:
        assert sorted(fold.train + fold.validation + fold.test) == list(range(len(clips)))
        assert fold.train
        assert fold.test
        assert bool(fold.validation) == (validation > 0) or name == "random"


@given(casts, seeds, st.sampled_from(["loso", "speakers"]), st.integers(0, 3))
def test_no_speaker_is_on_two_sides(
    clips: list[Clip], seed: int, name: str, validation: int
) -> None:
    split = make_split(spec(name, validation=validation), clips, seed)
    assert not split.optimistic
    for fold in split.folds:
        sides = [speakers(clips, side) for side in (fold.train, fold.validation, fold.test)]
        assert len(sides[1]) == validation
        assert sum(map(len, sides)) == len(set.union(*sides))


@given(casts, seeds)
def test_test_folds_balance_the_sexes_within_one(clips: list[Clip], seed: int) -> None:
    split = make_split(spec("speakers", folds=3, validation=0), clips, seed)
    for sex in ("male", "female"):
        counts = [sexes(clips, fold.test)[sex] for fold in split.folds]
        assert max(counts) - min(counts) <= 1
    sizes = [len(speakers(clips, fold.test)) for fold in split.folds]
    assert max(sizes) - min(sizes) <= 1


@given(seeds, st.sampled_from(["emobox6", "loso", "speakers"]), st.integers(1, 8))
def test_validation_speakers_balance_the_sexes_within_one(
    seed: int, name: str, validation: int
) -> None:
    clips = all_actors()
    for fold in make_split(spec(name, 6, validation), clips, seed).folds:
        counts = sexes(clips, fold.validation)
        assert abs(counts["male"] - counts["female"]) <= 1


@given(casts, seeds, st.sampled_from(["loso", "speakers", "random", "none"]))
def test_the_same_seed_gives_the_same_split(clips: list[Clip], seed: int, name: str) -> None:
    protocol = spec(name, validation=2)
    assert make_split(protocol, clips, seed) == make_split(protocol, clips, seed)


@pytest.mark.parametrize("name", ["speakers", "random", "emobox6", "loso"])
def test_another_seed_gives_another_split(name: str) -> None:
    protocol = spec(name)
    assert make_split(protocol, all_actors(), 0) != make_split(protocol, all_actors(), 1)


def test_emobox6_tests_on_the_published_actors() -> None:
    clips = all_actors()
    split = make_split(spec("emobox6"), clips, 0)
    tested = [sorted(int(s[-2:]) for s in speakers(clips, fold.test)) for fold in split.folds]
    assert tested == [sorted(actors) for actors in EMOBOX6]
    assert sorted(actor for actors in tested for actor in actors) == list(range(1, 25))
    assert [len(speakers(clips, fold.train)) for fold in split.folds] == [16] * 6


def test_validation_speakers_change_from_fold_to_fold() -> None:
    clips = all_actors()
    folds = make_split(spec("emobox6"), clips, 0).folds
    assert len({frozenset(speakers(clips, fold.validation)) for fold in folds}) == 6
    seen = set().union(*(speakers(clips, fold.validation) for fold in folds))
    assert len(seen) >= 18, "most speakers help to choose once"


@given(casts, seeds)
def test_random_folds_hold_the_emotions_evenly_and_say_they_are_optimistic(
    clips: list[Clip], seed: int
) -> None:
    split = make_split(spec("random", folds=4, validation=1), clips, seed)
    assert split.optimistic
    for emotion in EMOTIONS:
        counts = [sum(clips[i].emotion == emotion for i in fold.test) for fold in split.folds]
        assert max(counts) - min(counts) <= 1


@given(casts, seeds, st.data())
def test_random_keeps_exact_copies_together(
    clips: list[Clip], seed: int, data: st.DataObject
) -> None:
    originals = data.draw(st.lists(st.sampled_from(clips), min_size=1, max_size=12, unique=True))
    copied = clips + [replace(one, path=Path(f"copy-of-{one.path}")) for one in originals]
    split = make_split(spec("random", validation=1), copied, seed)
    for fold in split.folds:
        homes = defaultdict(set)
        for side in ("train", "validation", "test"):
            for i in getattr(fold, side):
                homes[copied[i].digest].add(side)
        assert all(len(sides) == 1 for sides in homes.values())


def test_none_trains_on_everything() -> None:
    clips = cast(2, 2)
    (fold,) = make_split(spec("none"), clips, 0).folds
    assert fold == Fold("all", tuple(range(len(clips))), (), ())


def test_fold_names_can_be_file_names() -> None:
    names = [fold.name for fold in make_split(spec("loso", validation=2), cast(2, 2), 0).folds]
    assert names == ["ravdess-01", "ravdess-02", "ravdess-03", "ravdess-04"]


def test_emobox6_names_the_actors_it_misses() -> None:
    clips = [one for one in all_actors() if one.speaker not in ("ravdess/07", "ravdess/13")]
    with pytest.raises(CorpusError, match=r"Actor_07, Actor_13 is missing"):
        make_split(spec("emobox6"), clips, 0)


def test_emobox6_is_for_ravdess_alone() -> None:
    with pytest.raises(CorpusError, match=r"for RAVDESS alone, and here is savee too"):
        make_split(spec("emobox6"), all_actors() + cast(4, 0, corpus="savee"), 0)


@pytest.mark.parametrize(
    ("protocol", "clips", "message"),
    [
        (spec("speakers", folds=6), cast(1, 0), "6 folds need as many speakers, and here is 1;"),
        (spec("speakers", folds=6), cast(3, 2), "6 folds need as many speakers, and here are 5;"),
        (spec("loso"), cast(0, 1), "ravdess/01 is the only one here"),
        (spec("random", folds=60), cast(1, 1), "60 folds need as many different clips"),
        (spec("loso", validation=3), cast(2, 2), "validation_speakers to 2 or less"),
        (spec("speakers", folds=2, validation=2), cast(2, 2), "validation_speakers to 1 or less"),
        (spec("random", folds=5, validation=4), cast(2, 2), "validation_speakers to 3 or less"),
        (spec("random", folds=2, validation=2), cast(2, 2), "validation_speakers to 1 or less"),
        (spec("none"), [], "there is no clip"),
    ],
)
def test_what_cannot_be_split_gets_one_line(
    protocol: ProtocolSpec, clips: list[Clip], message: str
) -> None:
    with pytest.raises(CorpusError, match=message) as caught:
        make_split(protocol, clips, 0)
    assert "\n" not in str(caught.value)


def leak(clips: Sequence[Clip], *, optimistic: bool, **sides: tuple[int, ...]) -> str:
    fold = Fold("1", **{"train": (), "validation": (), "test": (), **sides})
    with pytest.raises(CorpusError) as caught:
        check_leaks(Split("loso", (fold,), optimistic), clips)
    return str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"), [("train", "test"), ("train", "validation"), ("validation", "test")]
)
def test_every_pair_of_sides_is_compared(one: str, other: str) -> None:
    clips = cast(1, 1)
    half = len(clips) // 2
    said = leak(clips, optimistic=False, **{one: (0,), other: (1,)})
    assert said == f"fold 1 of loso: speaker ravdess/01 is both in {one} and in {other}"
    said = leak(clips, optimistic=True, **{one: (0,), other: (0, half)})
    assert f"ravdess-01-neutral-0.wav is both in {one} and in {other}" in said
    clips[half] = replace(clips[half], digest=clips[0].digest)
    said = leak(clips, optimistic=False, **{one: (0,), other: (half,)})
    assert "the same audio is (ravdess-01-neutral-0.wav and ravdess-02-neutral-0.wav)" in said


def test_copies_between_speakers_stop_a_split() -> None:
    clips = cast(2, 2)
    clips[-1] = replace(clips[-1], digest=clips[0].digest)
    with pytest.raises(CorpusError, match="the same audio"):
        make_split(spec("loso", validation=0), clips, 0)


def test_copies_by_one_speaker_on_one_side_are_fine() -> None:
    clips = cast(2, 2)
    clips[1] = replace(clips[1], digest=clips[0].digest)
    make_split(spec("loso", validation=1), clips, 0)


def test_no_protocol_leaks_on_the_real_corpus(ravdess: Path) -> None:
    clips = corpora.scan("ravdess", ravdess).clips
    for name in ("emobox6", "loso", "speakers", "random"):
        for fold in make_split(spec(name, folds=6), clips, 1).folds:
            assert {clips[i].emotion for i in fold.train} == set(EMOTIONS)
            assert {clips[i].emotion for i in fold.validation} == set(EMOTIONS)
