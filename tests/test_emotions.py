"""The vocabulary of emotions, and the label sets made of it."""

from sottovoce.emotions import CORPUS_EMOTIONS, EMOTIONS, LABEL_SETS, OTHER_NAMES
from sottovoce.learn import corpora


def test_the_eight_of_ravdess_are_in_their_published_order() -> None:
    assert LABEL_SETS["ravdess8"] == (
        *("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    )


def test_the_common_sets_are_those_that_the_corpora_share() -> None:
    english = [set(CORPUS_EMOTIONS[name].values()) for name in ("ravdess", "cremad", "tess")]
    assert set(LABEL_SETS["common6"]) == set.intersection(*english)
    assert set(LABEL_SETS["common4"]) == {"angry", "happy", "sad", "neutral"}


def test_every_corpus_has_names_for_its_emotions_and_a_label_set_of_them() -> None:
    assert set(CORPUS_EMOTIONS) == set(corpora.known()) - {"table"}
    for corpus, names in CORPUS_EMOTIONS.items():
        assert sorted(LABEL_SETS[corpus]) == sorted(names.values())


def test_no_name_leads_outside_the_vocabulary() -> None:
    for labels in (*LABEL_SETS.values(), OTHER_NAMES.values()):
        assert set(labels) <= set(EMOTIONS)
    assert not set(OTHER_NAMES) & set(EMOTIONS)
