"""Folders as people keep recordings: named for emotions, with annotations, or for `datasets`."""

from pathlib import Path

import pytest
import soundfile
from tiny_corpus import RATE, voice

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import scan
from sottovoce.learn.corpora.folders import read
from sottovoce.options import TableSpec


def make(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, voice(1, seed, 2.0), RATE)
    return folder


def facts(folder: Path, **columns: object) -> list[tuple[str, str, str, str]]:
    found = read(folder, TableSpec.model_validate(columns)).clips
    return [(c.path.stem, c.emotion, c.speaker.removeprefix("folders/"), c.split) for c in found]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("angry/1.wav", "Bored!/2.wav"), [("1", "angry", ""), ("2", "bored!", "")]),
        (("ann/Anger/1.wav", "bo/sad/2.wav"), [("1", "angry", "ann"), ("2", "sad", "bo")]),
        (("anger/ann/1.wav", "sad/bo/2.wav"), [("1", "angry", "ann"), ("2", "sad", "bo")]),
        (("a/sad/1.wav", "a/frustrated/2.wav"), [("2", "frustrated", "a"), ("1", "sad", "a")]),
    ],
)
def test_folders_are_emotions_and_speakers(
    tmp_path: Path, names: tuple[str, ...], expected: list[tuple[str, str, str]]
) -> None:
    found = facts(make(tmp_path, *names))
    assert sorted(found) == sorted((a, b, c or "unknown", "") for a, b, c in expected)


def test_folders_of_splits_are_splits(tmp_path: Path) -> None:
    make(tmp_path, "train/calm/1.wav", "train/sad/2.wav", "test/sad/3.wav")
    assert [(name, split) for name, _, _, split in facts(tmp_path)] == [
        *(("3", "test"), ("1", "train"), ("2", "train"))
    ]


def test_a_map_says_which_folders_are_emotions(tmp_path: Path) -> None:
    make(tmp_path, "ann/exc/1.wav", "ann/fru/2.wav")
    with pytest.raises(CorpusError, match="which is the emotion, and which the speaker, of ann"):
        read(tmp_path)
    found = facts(tmp_path, map={"exc": "happy", "fru": "frustrated"})
    assert [(emotion, speaker) for _, emotion, speaker, _ in found] == [
        *(("happy", "ann"), ("frustrated", "ann"))
    ]


def test_an_audio_folder_of_datasets(tmp_path: Path) -> None:
    make(tmp_path, "train/a.wav", "test/deep/b.wav")
    (tmp_path / "train" / "metadata.csv").write_text("file_name,label,speaker\na.wav,joy,7\n")
    (tmp_path / "test" / "metadata.jsonl").write_text('{"file_name": "deep/b.wav", "label": "sad"}')
    assert facts(tmp_path, label="label") == [
        ("b", "sad", "unknown", "test"),
        ("a", "happy", "7", "train"),
    ]


def test_recordings_with_annotations_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "calls/ann/1.wav", "calls/2.wav", "calls/3.wav")
    (tmp_path / "calls/ann/1.txt").write_text("0\t0.5\tbored\n0.5\t1.25\tangry\n")
    (tmp_path / "calls/2.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Bo>Happy\n")
    (tmp_path / "calls/notes.txt").write_text("not a label")
    monkeypatch.chdir(tmp_path)
    found = scan("folders", "calls")
    assert [(c.name, c.speaker, c.emotion, c.duration) for c in found.clips] == [
        ("folders/2.wav#1-2", "folders/Bo", "happy", 1.0),
        ("folders/ann/1.wav#0-0.5", "folders/ann", "bored", 0.5),
        ("folders/ann/1.wav#0.5-1.25", "folders/ann", "angry", 0.75),
    ]
    assert found.left_out == ("folders: 1 without a label: 3.wav",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("1.wav", "2.wav"), "its recordings lie in no folder of their own; put those of each"),
        (("sad/1.wav", "a/sad/2.wav"), "a/sad/2.wav lies deeper than others, or too deep; expect"),
        (("a/b/sad/1.wav",), "a/b/sad/1.wav lies deeper than others, or too deep"),
        (("1/1.wav",), "1: label 1 is a number with no emotion"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CorpusError) as caught:
        read(make(tmp_path, *names))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
