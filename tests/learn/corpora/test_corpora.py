"""What a scan says of a copy of RAVDESS, whole or broken."""

import errno
import io
import os
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sottovoce.emotions import EMOTIONS
from sottovoce.errors import CorpusError
from sottovoce.learn import corpora
from sottovoce.learn.corpora import CorpusProblem, CorpusScan, label_sets, ravdess

RATE = 8000


def tone(frequency: float, seconds: float = 0.05, level: float = 0.1) -> np.ndarray:
    return level * np.sin(2 * np.pi * frequency * np.arange(round(RATE * seconds)) / RATE)


def write(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.int16(np.round(samples * 32767)), RATE)
    return path


def stems(actor: int) -> list[str]:
    return [
        f"03-01-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"
        for emotion, intensity, statement, repetition in product(
            range(1, 9), (1, 2), (1, 2), (1, 2)
        )
        if (emotion, intensity) != (1, 2)
    ]


def actor_folder(folder: Path, actor: int, name: Callable[[str], str] | None = None) -> None:
    for number, stem in enumerate(stems(actor)):
        place = name(stem) if name else f"Actor_{actor:02}/{stem}.wav"
        write(folder / place, tone(100 + number + actor / 50))


def kinds(found: CorpusScan, kind: str) -> list[CorpusProblem]:
    return [problem for problem in found.problems if problem.kind == kind]


def scan(folder: Path) -> CorpusScan:
    return corpora.scan("ravdess", folder)


def test_a_name_says_who_spoke_what_and_how(tmp_path: Path) -> None:
    path = write(tmp_path / "Actor_12" / "03-01-06-02-02-01-12.wav", tone(200, seconds=0.25))
    (clip,) = scan(tmp_path).clips
    assert clip.path == path
    assert (clip.corpus, clip.speaker, clip.sex) == ("ravdess", "ravdess/12", "female")
    assert (clip.emotion, clip.intensity, clip.language) == ("fearful", "strong", "en")
    assert clip.text == "Dogs are sitting by the door"
    assert clip.duration == 0.25


@pytest.mark.parametrize(
    "name",
    [
        lambda stem: f"Actor_03/{stem}.wav",
        lambda stem: f"{stem}.flac",
        lambda stem: f"Audio_Speech_Actors_01-24/Actor_03/{stem}.WAV",
    ],
    ids=["nested", "flat", "deeper, other case"],
)
def test_every_layout_gives_the_same_clips(tmp_path: Path, name: Callable[[str], str]) -> None:
    actor_folder(tmp_path, 3, name)
    found = scan(tmp_path)
    assert sorted(clip.path.stem for clip in found.clips) == stems(3)
    assert {clip.sex for clip in found.clips} == {"male"}


def test_a_clip_that_is_there_twice_is_used_once(tmp_path: Path) -> None:
    actor_folder(tmp_path, 3)
    actor_folder(tmp_path / "again", 3)
    found = scan(tmp_path)
    assert len(found.clips) == 60
    (problem,) = kinds(found, "repeated")
    assert problem.message.startswith("60 clips")


def test_song_and_video_are_counted_and_left_out(tmp_path: Path) -> None:
    actor_folder(tmp_path, 3)
    write(tmp_path / "03-02-04-01-01-01-03.wav", tone(300))
    write(tmp_path / "03-02-04-01-02-01-03.wav", tone(301))
    (tmp_path / "02-01-04-01-01-01-03.mp4").write_bytes(b"video")
    found = scan(tmp_path)
    assert len(found.clips) == 60
    said = sorted(problem.message for problem in kinds(found, "left out"))
    assert said[0].startswith("1 clips of video only speech")
    assert said[1].startswith("2 clips of audio only song")


def test_missing_actors_and_clips_are_named(tmp_path: Path) -> None:
    gone = [tmp_path / f"{stem}.wav" for stem in stems(3)[10:12]]
    for actor in set(range(1, 25)) - {7}:
        for stem in stems(actor):
            (tmp_path / f"{stem}.wav").touch()
    for path in gone:
        path.unlink()
    problems = ravdess.read(tmp_path).problems
    assert [problem.message for problem in problems if problem.kind == "missing"] == [
        "Actor_07 missing: 23 of 24 actors",
        f"Actor_03 has 58 of 60 clips: missing {gone[0].stem}, {gone[1].stem}",
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("03-01-09-01-01-01-03.wav", "emotion 09 does not exist"),
        ("03-01-03-01-01-01-25.wav", "actor 25 does not exist"),
        ("03-01-01-02-01-01-03.wav", "neutral (01) has no strong intensity"),
        ("03-01-03-01-01-03.wav", "not seven two-digit numbers"),
        ("copy of 03-01-03-01-01-01-03.wav", "not seven two-digit numbers"),
        ("03-01-03-01-01-01-03.txt", "not an audio file"),
    ],
)
def test_an_odd_name_is_reported_and_left_out(tmp_path: Path, name: str, why: str) -> None:
    write(tmp_path / "03-01-03-01-01-01-01.wav", tone(200))
    odd = tmp_path / name
    odd.write_bytes((tmp_path / "03-01-03-01-01-01-01.wav").read_bytes())
    found = scan(tmp_path)
    assert len(found.clips) == 1
    (problem,) = kinds(found, "odd name")
    assert problem.path == odd
    assert why in problem.message


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "03-01-03-01-01-01-01.wav", tone(200))
    (tmp_path / "._03-01-03-01-01-02-01.wav").write_bytes(b"\0\5\x16\7")
    assert not kinds(scan(tmp_path), "odd name")
    assert not kinds(scan(tmp_path), "unreadable")


def test_what_is_wrong_inside_the_files_is_reported(tmp_path: Path) -> None:
    names = [tmp_path / f"{stem}.wav" for stem in stems(1)[:8]]
    write(names[0], tone(200))
    names[1].write_text("not audio at all")
    write(names[2], np.zeros(400))
    write(names[3], np.full(400, 0.5))
    write(names[4], np.clip(tone(50, level=3.0), -1, 1))
    write(names[5], np.stack([tone(210), tone(220)], axis=1))
    write(names[6], tone(200))
    write(names[7], np.zeros(0))
    found = scan(tmp_path)
    where = {kind: [p.path for p in kinds(found, kind)] for kind in ("unreadable", "silent")}
    assert where["unreadable"] == [names[1]]
    assert where["silent"] == [names[2], names[3], names[7]], "a constant offset is silence too"
    assert [p.path for p in kinds(found, "clipped")] == [names[4]]
    assert [p.path for p in kinds(found, "stereo")] == [names[5]]
    (duplicate,) = kinds(found, "duplicate")
    assert duplicate.path == names[6]
    assert names[0].name in duplicate.message
    assert [clip.path for clip in found.clips] == [names[0], names[4], names[5], names[6]]


def test_a_loud_peak_is_not_clipping(tmp_path: Path) -> None:
    samples = tone(200)
    samples[100:102] = 1.0
    write(tmp_path / "03-01-03-01-01-01-01.wav", samples)
    assert not kinds(scan(tmp_path), "clipped")


@pytest.mark.parametrize(
    ("runs", "samples", "said"),
    [
        (3, 80_000, []),  # nine samples, and a share of 0.01 %
        (4, 80_000, ["0.01% of its samples are flat at full scale"]),
        (4, 160_000, []),  # twelve samples, and a share below 0.01 %
        (3, 800, []),  # in a short clip a few samples are a large share
        (4, 800, ["1.50% of its samples are flat at full scale"]),
    ],
)
def test_a_few_clipped_samples_are_not_worth_saying(
    tmp_path: Path, runs: int, samples: int, said: list[str]
) -> None:
    sound = tone(200, seconds=samples / RATE)
    for run in range(runs):
        sound[100 + 20 * run :][:3] = 1.0
    write(tmp_path / "03-01-03-01-01-01-01.wav", sound)
    assert [problem.message for problem in kinds(scan(tmp_path), "clipped")] == said


def test_the_digest_is_of_the_sound_and_not_of_the_file(tmp_path: Path) -> None:
    samples = tone(200)
    one, two, three, four = (tmp_path / f"{stem}.wav" for stem in stems(1)[:4])
    write(one, samples)
    write(two.with_suffix(".flac"), samples)
    write(three, np.stack([samples, samples], axis=1))
    write(four, samples * 1.01)
    digests = [clip.digest for clip in scan(tmp_path).clips]
    assert digests[0] == digests[1] == digests[2] != digests[3]


def test_a_duplicate_with_another_emotion_says_so(tmp_path: Path) -> None:
    write(tmp_path / "03-01-03-01-01-01-01.wav", tone(200))
    write(tmp_path / "03-01-04-01-01-01-01.wav", tone(200))
    (problem,) = kinds(scan(tmp_path), "duplicate")
    assert "ravdess/01 sad, not ravdess/01 happy" in problem.message


def test_a_second_scan_decodes_nothing_and_a_changed_file_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sottovoce.learn.corpora import _content

    first, second = (write(tmp_path / f"{stem}.wav", tone(200)) for stem in stems(1)[:2])
    before = scan(tmp_path)
    decoded: list[Path] = []
    read = _content._read
    monkeypatch.setattr(
        _content, "_read", lambda path, *rest: (decoded.append(path), read(path, *rest))[1]
    )
    assert scan(tmp_path) == before
    assert decoded == []
    write(second, tone(300, seconds=0.1))
    after = scan(tmp_path)
    assert decoded == [second]
    assert [clip.duration for clip in after.clips] == [0.05, 0.1]
    assert after.clips[0] == before.clips[0]
    assert first.exists()


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 1}', b"\xff\xfe", None])
def test_a_broken_cache_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "data" / "03-01-03-01-01-01-01.wav", tone(200))
    before = scan(tmp_path / "data")
    (store,) = (tmp_path / "cache" / "contents").iterdir()
    whole = store.read_bytes()
    store.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert scan(tmp_path / "data") == before
    assert store.read_bytes() == whole


def test_a_cache_that_cannot_be_written_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "data" / "03-01-03-01-01-01-01.wav", tone(200))
    assert len(scan(tmp_path / "data").clips) == 1


def test_a_disk_that_fills_leaves_no_half_of_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "data" / "03-01-03-01-01-01-01.wav", tone(200))
    really = os.fdopen

    class FullDisk(io.StringIO):
        def __init__(self, handle: int, *_: object, **__: object) -> None:
            super().__init__()
            really(handle, "wb").close()

        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", FullDisk)
    assert len(scan(tmp_path / "data").clips) == 1
    assert not list((tmp_path / "cache" / "contents").iterdir())
    monkeypatch.setattr(os, "fdopen", really)
    assert len(scan(tmp_path / "data").clips) == 1
    assert len(list((tmp_path / "cache" / "contents").iterdir())) == 1


def test_progress_ends_with_everything_done(tmp_path: Path) -> None:
    actor_folder(tmp_path, 3)
    calls: list[tuple[int, int]] = []
    corpora.scan("ravdess", tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 60) for done in range(61)]


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "Actor_01" / "03-01-03-01-01-01-01.wav", tone(200))
    locked = tmp_path / "Actor_02"
    locked.mkdir()
    scandir = os.scandir

    def refusing(path: str) -> object:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(CorpusError, match="Actor_02: cannot list this folder: Permission denied"):
        scan(tmp_path)


def test_bytes_that_are_no_text_in_a_folder_name_do_no_harm(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    write(tmp_path / "plain" / "03-01-03-01-01-01-01.wav", tone(200)).parent.rename(odd)
    first = scan(odd)
    assert len(first.clips) == 1
    assert scan(odd) == first


def test_links_that_go_round_in_circles_end(tmp_path: Path) -> None:
    write(tmp_path / "Actor_01" / "03-01-03-01-01-01-01.wav", tone(200))
    (tmp_path / "Actor_01" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(scan(tmp_path).clips) == 1


def test_a_folder_that_is_no_corpus_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such folder"):
        scan(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match="no audio file in this folder"):
        scan(tmp_path)
    file = write(tmp_path / "song.wav", tone(200))
    with pytest.raises(CorpusError, match="not a folder"):
        scan(file)
    with pytest.raises(CorpusError, match=r"no clip of ravdess .*; song\.wav: left out: not seven"):
        scan(tmp_path)


def test_an_unknown_corpus_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"'ravdes'; known: .*ravdess"):
        corpora.scan("ravdes", tmp_path)


def test_a_clip_is_named_by_its_corpus_and_its_path_there(tmp_path: Path) -> None:
    path = write(tmp_path / "Actor_12" / "03-01-06-02-02-01-12.wav", tone(200))
    flat = write(tmp_path / "03-01-06-02-02-02-12.wav", tone(210))
    names = {clip.path: clip.name for clip in scan(tmp_path).clips}
    assert names == {
        path: "ravdess/Actor_12/03-01-06-02-02-01-12.wav",
        flat: "ravdess/03-01-06-02-02-02-12.wav",
    }


def test_the_eight_of_ravdess_are_in_their_published_order() -> None:
    assert label_sets()["ravdess8"] == (
        *("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    )


def test_the_common_label_sets_are_those_that_the_english_corpora_share() -> None:
    english = [set(label_sets()[name]) for name in ("ravdess", "cremad", "tess")]
    assert set(label_sets()["common6"]) == set.intersection(*english)
    assert set(label_sets()["common4"]) == {"angry", "happy", "sad", "neutral"}


def test_every_corpus_has_a_label_set_of_known_emotions() -> None:
    own = set(corpora.known()) - {"table", "folders"}
    assert set(label_sets()) == own | {"ravdess8", "common6", "common4"}
    for labels in label_sets().values():
        assert set(labels) <= set(EMOTIONS)
        assert len(set(labels)) == len(labels) >= 2


def test_ravdess_as_it_is(ravdess: Path) -> None:
    found = scan(ravdess)
    assert len(found.clips) == 1440
    by_emotion = Counter((clip.emotion, clip.sex) for clip in found.clips)
    assert by_emotion.pop(("neutral", "male")) == by_emotion.pop(("neutral", "female")) == 48
    assert set(by_emotion.values()) == {96}
    assert len({clip.speaker for clip in found.clips}) == 24
    assert 5300 < sum(clip.duration for clip in found.clips) < 5350
    assert Counter(problem.kind for problem in found.problems) == {"stereo": 5, "duplicate": 1}
    (duplicate,) = kinds(found, "duplicate")
    assert duplicate.path is not None
    assert duplicate.path.stem == "03-01-03-01-02-02-07"
    assert "03-01-03-01-02-01-07" in duplicate.message
