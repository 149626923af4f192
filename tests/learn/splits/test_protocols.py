"""Who is trained on, validated on and tested on."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import Clip, label_sets
from sottovoce.learn.recipe.specs import ProtocolSpec
from sottovoce.learn.splits.folds import Fold, Split
from sottovoce.learn.splits.leaks import check_leaks
from sottovoce.learn.splits.protocols import EMOBOX6, make_split

EMOTIONS = label_sets()["ravdess8"]


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


def spec(name: str, folds: int = 5, validation: int = 4, **more: object) -> ProtocolSpec:
    return ProtocolSpec.model_validate(
        {"name": name, "folds": folds, "validation_speakers": validation, **more}
    )


unhurried = settings(deadline=None, max_examples=40)  # a busy machine is not a wrong split
casts = st.builds(cast, st.integers(3, 9), st.integers(3, 9), st.integers(1, 3))
seeds = st.integers(0, 2**32)


@unhurried
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


@unhurried
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


@unhurried
@given(casts, seeds)
def test_test_folds_balance_the_sexes_within_one(clips: list[Clip], seed: int) -> None:
    split = make_split(spec("speakers", folds=3, validation=0), clips, seed)
    for sex in ("male", "female"):
        counts = [sexes(clips, fold.test)[sex] for fold in split.folds]
        assert max(counts) - min(counts) <= 1
    sizes = [len(speakers(clips, fold.test)) for fold in split.folds]
    assert max(sizes) - min(sizes) <= 1


@unhurried
@given(seeds, st.sampled_from(["emobox6", "loso", "speakers"]), st.integers(1, 8))
def test_validation_speakers_balance_the_sexes_within_one(
    seed: int, name: str, validation: int
) -> None:
    clips = all_actors()
    for fold in make_split(spec(name, 6, validation), clips, seed).folds:
        counts = sexes(clips, fold.validation)
        assert abs(counts["male"] - counts["female"]) <= 1


@unhurried
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


@unhurried
@given(casts, seeds)
def test_random_folds_hold_the_emotions_evenly_and_say_they_are_optimistic(
    clips: list[Clip], seed: int
) -> None:
    split = make_split(spec("random", folds=4, validation=1), clips, seed)
    assert split.optimistic
    for emotion in EMOTIONS:
        counts = [sum(clips[i].emotion == emotion for i in fold.test) for fold in split.folds]
        assert max(counts) - min(counts) <= 1


@unhurried
@given(casts, seeds, st.data())
def test_random_keeps_exact_copies_together(
    clips: list[Clip], seed: int, data: st.DataObject
) -> None:
    originals = data.draw(st.lists(st.sampled_from(clips), min_size=1, max_size=12, unique=True))
    copied = clips + [replace(one, path=Path(f"copy-of-{one.path}")) for one in originals]
    split = make_split(spec("random"), copied, seed)
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
        (spec("loso", validation=1), cast(0, 2), "set protocol.validation_speakers to 0$"),
        (
            spec("holdout-speakers"),
            cast(1, 1),
            "2 speakers are too few to test on 1, validate on 1",
        ),
        (spec("holdout-speakers"), cast(1, 0), "1 speakers are too few"),
        (spec("leave-one-corpus-out"), cast(2, 2), "but all clips here are of ravdess; add a"),
        (spec("cross-corpus", test_corpora=["tess"]), cast(2, 2), "no clip of tess has an emotion"),
        (spec("split"), cast(2, 2), "ravdess-01-neutral-0.wav has the split ''; .* say train, "),
        (spec("none"), [], "there is no clip"),
    ],
)
def test_what_cannot_be_split_gets_one_line(
    protocol: ProtocolSpec, clips: list[Clip], message: str
) -> None:
    with pytest.raises(CorpusError, match=message) as caught:
        make_split(protocol, clips, 0)
    assert "\n" not in str(caught.value)


def test_parts_of_one_file_that_overlap_are_on_one_side() -> None:
    spans = ((0, 2), (2, 5), (4, 6), (4.95, 7), (0, None))
    clips = [
        replace(clip(f"table/{i}", "", "sad", i), path=Path("long.wav"), start=start, end=end)
        for i, (start, end) in enumerate(spans)
    ]
    fold = Fold("1", train=(0, 1), validation=(), test=(3,))
    check_leaks(Split("loso", (fold,), optimistic=False), clips)  # within a rounding
    said = leak(clips, optimistic=True, train=(0, 1), test=(2,))
    assert "long.wav#2-5 and long.wav#4-6 overlap, and are both in train and in test" in said
    said = leak(clips, optimistic=True, train=(4,), test=(2,))
    assert "long.wav and long.wav#4-6 overlap" in said


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
    from sottovoce.learn import corpora

    clips = corpora.scan("ravdess", ravdess).clips
    for name in ("emobox6", "loso", "speakers", "random"):
        for fold in make_split(spec(name, folds=6), clips, 1).folds:
            assert {clips[i].emotion for i in fold.train} == set(EMOTIONS)
            assert {clips[i].emotion for i in fold.validation} == set(EMOTIONS)


def test_emobox6_gives_the_folds_that_it_always_gave() -> None:
    clips = all_actors()
    folds = make_split(spec("emobox6", validation=2), clips, 0).folds
    held = [sorted(int(who[-2:]) for who in speakers(clips, fold.validation)) for fold in folds]
    assert held == [[6, 19], [6, 19], [11, 16], [9, 10], [5, 12], [15, 24]]
    tested = [sorted({int(who[-2:]) for who in speakers(clips, fold.test)}) for fold in folds]
    assert tested == [
        [1, 11, 20, 21],
        [4, 10, 12, 14],
        [8, 9, 19, 23],
        [3, 5, 7, 24],
        [2, 15, 16, 18],
        [6, 13, 17, 22],
    ]


def everything_once(fold: Fold, clips: Sequence[Clip]) -> bool:
    return sorted(fold.train + fold.validation + fold.test) == list(range(len(clips)))


@unhurried
@given(casts, seeds, st.sampled_from([0.15, 0.2, 0.3]), st.sampled_from([0.0, 0.15]))
def test_a_holdout_of_speakers_has_the_shares_asked_for_and_no_speaker_twice(
    clips: list[Clip], seed: int, test: float, validation: float
) -> None:
    shares = {"test_fraction": test, "validation_fraction": validation}
    split = make_split(spec("holdout-speakers", **shares), clips, seed)
    (fold,) = split.folds
    assert everything_once(fold, clips)
    assert not split.optimistic
    sides = [speakers(clips, side) for side in (fold.train, fold.validation, fold.test)]
    total = len(set.union(*sides))
    assert sum(map(len, sides)) == total
    assert len(sides[2]) == max(1, round(test * total))
    assert len(sides[1]) == (max(1, round(validation * total)) if validation else 0)
    for sex in ("male", "female"):
        share = len({c.speaker for c in clips if c.sex == sex}) / total
        assert abs(sexes(clips, fold.test)[sex] - share * len(sides[2])) <= 1


def test_the_holdout_of_reference_b_is_70_15_15_by_speaker() -> None:
    clips = all_actors()
    shares = {"test_fraction": 0.15, "validation_fraction": 0.15}
    (fold,) = make_split(spec("holdout-speakers", **shares), clips, 0).folds
    sides = (fold.train, fold.validation, fold.test)
    assert [len(speakers(clips, side)) for side in sides] == [16, 4, 4]
    assert [sexes(clips, side)["male"] for side in sides] == [8, 2, 2]


@unhurried
@given(casts, seeds, st.sampled_from([0.1, 0.2, 0.5]), st.sampled_from([0.0, 0.15]))
def test_a_random_holdout_is_stratified_and_says_that_it_is_optimistic(
    clips: list[Clip], seed: int, test: float, validation: float
) -> None:
    shares = {"test_fraction": test, "validation_fraction": validation}
    split = make_split(spec("holdout-random", **shares), clips, seed)
    (fold,) = split.folds
    assert split.optimistic
    assert everything_once(fold, clips)
    for emotion in EMOTIONS:
        count = sum(clip.emotion == emotion for clip in clips)
        tested = sum(clips[i].emotion == emotion for i in fold.test)
        held = sum(clips[i].emotion == emotion for i in fold.validation)
        assert tested == max(1, round(test * count))
        assert held == round(validation * count)


def several(*names: str) -> list[Clip]:
    return [each for name in names for each in cast(2, 2, corpus=name)]


@unhurried
@given(seeds, st.integers(0, 3))
def test_each_corpus_is_left_out_once(seed: int, validation: int) -> None:
    clips = several("ravdess", "savee", "tess")
    split = make_split(spec("leave-one-corpus-out", validation=validation), clips, seed)
    assert [fold.name for fold in split.folds] == ["ravdess", "savee", "tess"]
    assert not split.optimistic
    for fold in split.folds:
        assert everything_once(fold, clips)
        assert {clips[i].corpus for i in fold.test} == {fold.name}
        assert fold.name not in {clips[i].corpus for i in fold.train + fold.validation}
        assert len(speakers(clips, fold.validation)) == validation
    tested = sorted(i for fold in split.folds for i in fold.test)
    assert tested == list(range(len(clips)))


@unhurried
@given(seeds, st.integers(0, 3))
def test_some_corpora_train_and_others_test(seed: int, validation: int) -> None:
    clips = several("ravdess", "savee", "tess")
    protocol = spec("cross-corpus", validation=validation, test_corpora=["tess", "savee"])
    (fold,) = make_split(protocol, clips, seed).folds
    assert fold.name == "savee-tess"
    assert everything_once(fold, clips)
    assert {clips[i].corpus for i in fold.test} == {"savee", "tess"}
    assert {clips[i].corpus for i in fold.train} == {"ravdess"}
    assert len(speakers(clips, fold.validation)) == validation


def test_corpora_without_a_common_emotion_get_one_line() -> None:
    one = [each for each in cast(1, 1) if each.emotion in ("happy", "sad")]
    other = [each for each in cast(1, 1, corpus="tess") if each.emotion == "calm"]
    with pytest.raises(CorpusError) as caught:
        make_split(spec("cross-corpus", test_corpora=["tess"]), one + other, 0)
    assert str(caught.value) == (
        "protocol cross-corpus: no emotion is common to ravdess (happy, sad) and tess (calm); "
        "choose other corpora or labels"
    )


def test_speech_cannot_test_the_song_of_the_same_actors() -> None:
    song = [
        replace(each, corpus="ravdess-song", digest=f"song {each.digest}") for each in cast(2, 2)
    ]
    with pytest.raises(CorpusError, match=r"have speakers in common \(ravdess/01\)"):
        make_split(spec("leave-one-corpus-out"), cast(2, 2) + song, 0)


def test_an_emotion_that_only_the_tested_have_gets_one_line() -> None:
    clips = [*cast(2, 2), clip("ravdess/01", "male", "bored", 0)]
    with pytest.raises(CorpusError, match=r"bored is tested, but no clip of it is left to train"):
        make_split(spec("loso", validation=0), clips, 0)


@pytest.mark.parametrize("name", ["random", "holdout-random"])
def test_an_emotion_with_one_clip_gets_one_line(name: str) -> None:
    clips = [*cast(2, 2), clip("ravdess/01", "male", "bored", 0)]
    with pytest.raises(CorpusError, match=rf"protocol {name}: bored has 1 clip, which cannot be"):
        make_split(spec(name), clips, 0)


def marked(clips: Sequence[Clip], sides: Sequence[str]) -> list[Clip]:
    """The speakers in order, each on the side of the same place."""
    names = sorted({each.speaker for each in clips})
    return [replace(each, split=sides[names.index(each.speaker)]) for each in clips]


@unhurried
@given(seeds)
def test_the_split_of_a_table_is_taken_as_it_is(seed: int) -> None:
    clips = marked(cast(2, 2), ["train", "Training", "dev", "test"])
    split = make_split(spec("split"), clips, seed)
    (fold,) = split.folds
    assert not split.optimistic
    assert everything_once(fold, clips)
    assert speakers(clips, fold.train) == {"ravdess/01", "ravdess/02"}
    assert speakers(clips, fold.validation) == {"ravdess/03"}
    assert speakers(clips, fold.test) == {"ravdess/04"}


@unhurried
@given(seeds)
def test_a_table_without_validation_gives_up_training_speakers_for_it(seed: int) -> None:
    clips = marked(cast(3, 3), ["train", "train", "test", "train", "train", "test"])
    (fold,) = make_split(spec("split", validation=2), clips, seed).folds
    assert everything_once(fold, clips)
    assert sexes(clips, fold.validation) == {"male": 1, "female": 1}
    assert speakers(clips, fold.test) == {"ravdess/03", "ravdess/06"}
    (fold,) = make_split(spec("split", validation=0), clips, seed).folds
    assert not fold.validation


def test_a_table_with_speakers_on_both_sides_is_optimistic() -> None:
    clips = [replace(each, split=("train", "test")[i % 2]) for i, each in enumerate(cast(2, 2))]
    assert make_split(spec("split", validation=0), clips, 0).optimistic


def test_a_table_that_tests_nobody_gets_one_line() -> None:
    clips = [replace(each, split="train") for each in cast(2, 2)]
    with pytest.raises(CorpusError, match="no clip of the recipe's emotions has split test"):
        make_split(spec("split"), clips, 0)


@pytest.mark.parametrize("seed", range(3))
def test_cremad_in_five_folds_of_actors_balances_the_sexes(seed: int) -> None:
    clips = cast(48, 43, each=1, corpus="cremad")
    folds = make_split(spec("speakers", folds=5), clips, seed).folds
    counts = [sexes(clips, fold.test) for fold in folds]
    assert sorted(each["male"] for each in counts) == [9, 9, 10, 10, 10]
    assert sorted(each["female"] for each in counts) == [8, 8, 9, 9, 9]


def test_tess_is_tested_across_its_two_speakers() -> None:
    clips = cast(0, 2, corpus="tess")
    folds = make_split(spec("loso", validation=0), clips, 0).folds
    assert [speakers(clips, fold.train) for fold in folds] == [{"tess/02"}, {"tess/01"}]
    assert [speakers(clips, fold.test) for fold in folds] == [{"tess/01"}, {"tess/02"}]
    assert not any(fold.validation for fold in folds)


def test_savee_leaves_one_speaker_out(corpora: Path) -> None:
    from sottovoce.learn.corpora import savee

    clips = savee.read(corpora / "savee").clips
    folds = make_split(spec("loso", validation=1), clips, 0).folds
    assert [fold.name for fold in folds] == ["savee-DC", "savee-JE", "savee-JK", "savee-KL"]
    assert [(len(f.train), len(f.validation), len(f.test)) for f in folds] == [(240, 120, 120)] * 4
