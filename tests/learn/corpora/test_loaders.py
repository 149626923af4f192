"""What each corpus reads from the names of its files and its tables."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import combinations, product
from pathlib import Path

import pytest

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import (
    Clip,
    Listing,
    cremad,
    emodb,
    emospeech,
    nemo,
    ravdess,
    ravdess_song,
    savee,
    tess,
)

Read = Callable[[Path], Listing]


def touch(folder: Path, names: Iterable[str]) -> Path:
    """Empty files: reading goes by names alone."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def said(listing: Listing, kind: str) -> list[str]:
    return [problem.message for problem in listing.problems if problem.kind == kind]


def only(listing: Listing) -> Clip:
    (clip,) = listing.clips
    return clip


@pytest.mark.parametrize(
    ("read", "name", "expected"),
    [
        (
            ravdess_song.read,
            "Actor_12/03-02-06-02-02-01-12.wav",
            ("ravdess-song", "ravdess/12", "female", "fearful", "strong", "en"),
        ),
        (
            cremad.read,
            "AudioWAV/1001_DFA_ANG_LO.wav",
            ("cremad", "cremad/1001", "", "angry", "low", "en"),
        ),
        (
            cremad.read,
            "1040_ITH_SAD_X.wav",
            ("cremad", "cremad/1040", "", "sad", "", "en"),
        ),
        (
            tess.read,
            "YAF_pleasant_surprised/YAF_back_ps.wav",
            ("tess", "tess/YAF", "female", "surprised", "", "en"),
        ),
        (tess.read, "OA_bite_neutral.wav", ("tess", "tess/OAF", "female", "neutral", "", "en")),
        (
            tess.read,
            "OAF_Fear/oaf_Back_FEAR.WAV",
            ("tess", "tess/OAF", "female", "fearful", "", "en"),
        ),
        (
            savee.read,
            "AudioData/JE/su15.wav",
            ("savee", "savee/JE", "male", "surprised", "", "en"),
        ),
        (savee.read, "ALL/KL_n30.wav", ("savee", "savee/KL", "male", "neutral", "", "en")),
        (nemo.read, "samples/WR0_anger_1.wav", ("nemo", "nemo/WR0", "", "angry", "", "pl")),
        (emodb.read, "wav/03a01Fa.wav", ("emodb", "emodb/03", "male", "happy", "", "de")),
        (emodb.read, "16B10LB.flac", ("emodb", "emodb/16", "female", "bored", "", "de")),
        (
            emospeech.read,
            "bacho-safe-angry-1562996360436-c7b431195e2871a0.wav",
            ("emospeech", "emospeech/c7b431195e28", "", "angry", "", "hi"),
        ),
    ],
)
def test_a_name_says_who_spoke_and_how(
    tmp_path: Path, read: Read, name: str, expected: tuple[str, ...]
) -> None:
    clip = only(read(touch(tmp_path, [name])))
    found = (clip.corpus, clip.speaker, clip.sex, clip.emotion, clip.intensity, clip.language)
    assert found == expected
    assert clip.path == tmp_path / name


@pytest.mark.parametrize(
    ("read", "name", "why"),
    [
        (cremad.read, "1092_DFA_ANG_XX.wav", "actor 1092 does not exist; known: 1001 to 1091"),
        (cremad.read, "1001_ABC_ANG_XX.wav", "sentence ABC does not exist"),
        (cremad.read, "1001_DFA_CAL_XX.wav", "emotion CAL does not exist; known: NEU, HAP"),
        (cremad.read, "1001_DFA_ANG.wav", "not actor_sentence_emotion_level"),
        (tess.read, "EAF_back_sad.wav", "speaker EAF does not exist; known: OAF, YAF"),
        (tess.read, "OAF_back_calm.wav", "emotion calm does not exist"),
        (tess.read, "OAF_back.wav", "not speaker_word_emotion"),
        (savee.read, "DC_a16.wav", "sentence 16 does not exist; there are 15"),
        (savee.read, "XX_a01.wav", "speaker XX does not exist; known: DC, JE, JK, KL"),
        (savee.read, "a01.wav", "its folder should be named for its speaker"),
        (savee.read, "DC_x01.wav", "not speaker_emotion and sentence"),
        (nemo.read, "WR0_calm_1.wav", "emotion calm does not exist"),
        (nemo.read, "WR0_anger.wav", "not speaker_emotion_sentence"),
        (emodb.read, "04a01Fa.wav", "speaker 04 does not exist"),
        (emodb.read, "03a03Fa.wav", "text a03 does not exist"),
        (emodb.read, "03a01Xa.wav", "emotion X does not exist"),
        (emodb.read, "laryngo/03a01Fa.wav", "recorded by a laryngograph"),
        (emospeech.read, "go-safe-sad-1562-c7b431195e2871a0.wav", "emotion sad does not exist"),
        (emospeech.read, "go-safe-calm-1562-null.wav", "names no user"),
        (emospeech.read, f"House/go-safe-calm-1562-{emospeech.UNKNOWN}.wav", "names no user"),
        (emospeech.read, "Metro/background-safe-None-1562-c7b431195e2871.wav", "emotion None"),
        (emospeech.read, "go-safe-calm.wav", "not keyword-environment-emotion-time-user"),
    ],
)
def test_an_odd_name_is_left_out_and_says_why(
    tmp_path: Path, read: Read, name: str, why: str
) -> None:
    listing = read(touch(tmp_path, [name]))
    assert not listing.clips
    (message,) = said(listing, "odd name")
    assert why in message


def test_ravdess_speech_and_song_share_the_actors_but_no_clip(tmp_path: Path) -> None:
    touch(tmp_path, ["03-01-03-01-01-01-07.wav", "03-02-03-01-01-01-07.wav"])
    speech, song = only(ravdess.read(tmp_path)), only(ravdess_song.read(tmp_path))
    assert speech.speaker == song.speaker == "ravdess/07"
    assert speech.path != song.path
    (left_out,) = said(ravdess_song.read(tmp_path), "left out")
    assert left_out == "1 clips of audio only speech left out: only song, audio only, is read"


def test_a_whole_copy_of_ravdess_song_misses_nothing(tmp_path: Path) -> None:
    names = [
        f"03-02-{emotion:02}-{strength:02}-{statement:02}-{take:02}-{actor:02}.wav"
        for actor, emotion, strength, statement, take in product(
            range(1, 25), range(1, 7), (1, 2), (1, 2), (1, 2)
        )
        if (emotion, strength) != (1, 2) and actor != 18
    ]
    listing = ravdess_song.read(touch(tmp_path, names))
    assert len(listing.clips) == 1012
    assert not listing.problems


DEMOGRAPHICS = "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n1002,21,Female"


@pytest.mark.parametrize("place", [".", ".."], ids=["in the folder", "beside it"])
def test_cremad_takes_the_sex_from_its_table(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "CREMA-D" / "AudioWAV"
    touch(folder, ["1001_DFA_ANG_XX.wav", "1002_DFA_ANG_XX.wav", "1003_DFA_ANG_XX.wav"])
    (folder / place / "VideoDemographics.csv").write_text(DEMOGRAPHICS)
    listing = cremad.read(folder)
    assert [clip.sex for clip in listing.clips] == ["male", "female", ""]
    assert listing.clips[0].text == "Don't forget a jacket"


def test_cremad_invents_no_sex(tmp_path: Path) -> None:
    listing = cremad.read(touch(tmp_path, ["1001_DFA_ANG_XX.wav"]))
    assert only(listing).sex == ""
    assert said(listing, "missing")[0].startswith("no VideoDemographics.csv, so the sex")
    (tmp_path / "VideoDemographics.csv").write_text("Actor;Gender\n1001;Male\n")
    with pytest.raises(CorpusError, match="should have the columns ActorID and Sex"):
        cremad.read(tmp_path)


def test_of_two_codings_the_one_without_loss_is_used(tmp_path: Path) -> None:
    names = [
        "AudioMP3/1001_DFA_ANG_XX.mp3",
        "AudioWAV/1001_DFA_ANG_XX.wav",
        "finishedResponses.csv",
    ]
    listing = cremad.read(touch(tmp_path, names))
    assert only(listing).path.suffix == ".wav"
    assert said(listing, "repeated") == [
        "1 clips are here again, by the same name; the first of each is used"
    ]
    assert not said(listing, "odd name")


def test_missing_actors_of_cremad_are_named_and_its_clips_counted(tmp_path: Path) -> None:
    names = [f"{actor}_DFA_ANG_XX.wav" for actor in range(1001, 1092) if actor not in (1005, 1077)]
    messages = said(cremad.read(touch(tmp_path, names)), "missing")
    assert "1005, 1077 missing: 89 of 91 actors" in messages
    assert "7353 clips missing: 89 of 7442" in messages


def test_missing_words_and_parts_of_tess_are_named(tmp_path: Path) -> None:
    emotions = ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
    names = [
        f"{speaker}_{word}_{emotion}.wav"
        for speaker, word, emotion in product(("OAF", "YAF"), ("back", "bar"), emotions)
        if (speaker, emotion) != ("YAF", "ps") and (speaker, word, emotion) != ("OAF", "bar", "sad")
    ]
    assert said(tess.read(touch(tmp_path, names)), "missing") == [
        "YAF_ps missing: 13 of 14 parts",
        "OAF_sad has 1 of 2 clips: missing OAF_bar_sad",
        "198 words missing everywhere: 2 of 200",
    ]


def test_missing_clips_of_savee_are_named(tmp_path: Path) -> None:
    names = [
        f"{speaker}/{emotion}{number:02}.wav"
        for speaker, emotion in product(("DC", "JE", "JK"), ("a", "d", "f", "h", "n", "sa", "su"))
        for number in range(1, 31 if emotion == "n" else 16)
        if (speaker, emotion, number) != ("JE", "sa", 7)
    ]
    assert said(savee.read(touch(tmp_path, names)), "missing") == [
        "KL missing: 3 of 4 speakers",
        "JE has 119 of 120 clips: missing JE_sa07",
    ]


NEMO = (
    "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
    'WR0_anger_1.wav\tanger\tPan "X" mówi.\tpan\t        WR0\t male \t23\n'
    "EB0_fear_2.wav\tfear\tTak.\ttak\t        EB0\tfemale\t27\n"
)


@pytest.mark.parametrize("place", [".", ".."], ids=["in the folder", "beside it"])
def test_nemo_takes_sex_and_text_from_its_table_whatever_the_extension(
    tmp_path: Path, place: str
) -> None:
    folder = touch(tmp_path / "samples", ["WR0_anger_1.ogg"])
    (folder / place / "data.tsv").write_text(NEMO, encoding="utf-8")
    listing = nemo.read(folder)
    clip = only(listing)
    assert (clip.sex, clip.text, clip.speaker) == ("male", 'Pan "X" mówi.', "nemo/WR0")
    assert said(listing, "missing") == ["EB0 missing: 1 of 2 speakers"]


def test_nemo_without_its_table_says_what_is_not_known(tmp_path: Path) -> None:
    listing = nemo.read(touch(tmp_path, ["WR0_anger_1.ogg"]))
    assert said(listing, "missing") == [
        "no data.tsv, so the sex of the speakers and the texts are not known",
        "4480 clips missing: 1 of 4481",
    ]
    (tmp_path / "data.tsv").write_text("name\temotion\nWR0_anger_1.wav\tanger\n")
    with pytest.raises(CorpusError, match=r"data\.tsv: not nEMO's table; it should have the col"):
        nemo.read(tmp_path)


def test_what_else_is_in_the_archive_of_emodb_is_passed_over(tmp_path: Path) -> None:
    names = ["wav/03a01Fa.wav", "lablaut/03a01Fa.lablaut", "silb/03a01Fa.silb", "erkennung.txt"]
    listing = emodb.read(touch(tmp_path, names))
    assert only(listing).text == "Der Lappen liegt auf dem Eisschrank"
    assert said(listing, "missing") == [
        "08, 09, 10, 11, 12, 13, 14, 15, 16 missing: 1 of 10 speakers",
        "534 clips missing: 1 of 535",
    ]


def test_the_laryngograph_of_emodb_is_not_taken_for_the_voice(tmp_path: Path) -> None:
    listing = emodb.read(touch(tmp_path, ["laryngo/03a01Fa.wav", "wav/03a01Fa.wav"]))
    assert only(listing).path == tmp_path / "wav" / "03a01Fa.wav"
    assert not said(listing, "repeated")


def test_versions_of_one_sentence_are_clips_of_their_own(tmp_path: Path) -> None:
    listing = emodb.read(touch(tmp_path, ["03a01Fa.wav", "03a01Fb.wav", "copy/03a01Fa.wav"]))
    assert [clip.path.stem for clip in listing.clips] == ["03a01Fa", "03a01Fb"]


@pytest.mark.parametrize(
    ("name", "read", "clips", "speakers", "sexes"),
    [
        ("tess", tess.read, 2800, 2, {"female": 2}),
        ("savee", savee.read, 480, 4, {"male": 4}),
        ("nemo", nemo.read, 4481, 9, {"female": 4, "male": 5}),
        ("emospeech", emospeech.read, 2023, 106, {"": 106}),
    ],
)
def test_the_corpora_as_they_are(
    corpora: Path, name: str, read: Read, clips: int, speakers: int, sexes: dict[str, int]
) -> None:
    listing = read(corpora / name)
    assert len(listing.clips) == clips
    assert not listing.problems
    assert Counter(sex for _, sex in {(c.speaker, c.sex) for c in listing.clips}) == sexes
    assert len({clip.speaker for clip in listing.clips}) == speakers
    assert [clip.path for clip in listing.clips] == sorted(clip.path for clip in listing.clips)


def test_the_users_of_emospeech_are_told_apart_by_the_part_of_their_names_that_is_kept(
    corpora: Path,
) -> None:
    clips = emospeech.read(corpora / "emospeech").clips
    names = {clip.path.stem.rpartition("-")[2] for clip in clips}
    assert len(names) == len({clip.speaker for clip in clips})
    alike = [sum(map(str.__eq__, one, other)) for one, other in combinations(sorted(names), 2)]
    assert max(alike) == 12, "of 56 digits: no name is another one with a slip"


def test_the_emotions_of_the_corpora_as_they_are(corpora: Path) -> None:
    found = {
        name: Counter(clip.emotion for clip in read(corpora / name).clips)
        for name, read in (("tess", tess.read), ("savee", savee.read), ("nemo", nemo.read))
    }
    assert set(found["tess"].values()) == {400}
    assert found["savee"].pop("neutral") == 120
    assert set(found["savee"].values()) == {60}
    assert found["nemo"] == {
        "neutral": 809,
        "sad": 769,
        "angry": 749,
        "happy": 749,
        "fearful": 736,
        "surprised": 669,
    }


def test_the_order_of_the_folders_does_not_matter(tmp_path: Path) -> None:
    names = [f"{speaker}_a{number:02}.wav" for speaker in ("DC", "JE") for number in range(1, 16)]
    random.Random(0).shuffle(names)
    clips = savee.read(touch(tmp_path, names)).clips
    assert [clip.path.name for clip in clips] == sorted(names)
