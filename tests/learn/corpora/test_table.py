"""A table of clips that someone made, well or badly."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_corpus import RATE, voice

from sottovoce.errors import CorpusError
from sottovoce.learn.corpora import scan
from sottovoce.learn.corpora.table import read
from sottovoce.learn.data.clip_store import ClipStore
from sottovoce.options import TableSpec


def table(folder: Path, text: str, name: str = "clips.csv") -> Path:
    (folder / "audio").mkdir(exist_ok=True)
    for clip in "abc":
        (folder / "audio" / f"{clip}.wav").touch()
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_rows_become_clips_relative_to_the_table(tmp_path: Path) -> None:
    text = "file,emotion,speaker,sex,split\naudio/a.wav, Anger ,7,F,train\naudio/b.wav,bored,,,test"
    one, other = read(table(tmp_path, "\ufeff" + text)).clips
    assert one.path == tmp_path / "audio" / "a.wav"
    assert (one.emotion, one.speaker, one.sex, one.split) == ("angry", "table/7", "female", "train")
    assert (other.emotion, other.speaker, other.sex) == ("bored", "table/unknown", "")


def test_columns_can_have_other_names_and_labels_can_be_numbers(tmp_path: Path) -> None:
    file = table(tmp_path, "wav\ty\naudio/a.wav\t1\naudio/b.wav\t0.0\n", "clips.tsv")
    columns = TableSpec(path="wav", label="y", numbers=("sad", "happiness"))
    assert [clip.emotion for clip in read(file, columns).clips] == ["happy", "sad"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,emotion\naudio/a.wav,sad", "no column 'file'; there are path, emotion; name the"),
        ("file,label\naudio/a.wav,sad", "no column 'emotion'; there are file, label; name the"),
        (
            "file,emotion\naudio/a.wav,sad\nx.wav,sad\ny.wav,sad",
            r"line 3: x.wav is not there \(and",
        ),
        ("file,emotion\naudio/a.wav,3", "line 2: label 3 is a number with no emotion; list the"),
        ("file,emotion\naudio/a.wav", "line 2: 1 cells, and the names of columns are 2"),
        ("file,emotion\n", "the table has no rows"),
        ("", "the table is empty"),
    ],
)
def test_a_bad_table_gets_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message) as caught:
        read(table(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_what_is_no_table_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is a folder; give the file of a table, or name the fo"):
        read(tmp_path)
    with pytest.raises(CorpusError, match="cannot read this table: No such file"):
        read(tmp_path / "none.csv")


def test_parts_of_one_file_are_clips_with_names_and_sound_of_their_own(tmp_path: Path) -> None:
    samples = np.concatenate([voice(code, 0, 1.0) for code in (1, 5, 1)])
    soundfile.write(tmp_path / "long.wav", samples, RATE, subtype="FLOAT")
    rows = ["long.wav,0,1,neutral", "long.wav,1,2.0,angry", "long.wav,2,,calm", "long.wav,2,9,sad"]
    found = scan("table", table(tmp_path, "\n".join(["file,start,end,emotion", *rows])))
    assert [(clip.name, clip.emotion, clip.duration) for clip in found.clips] == [
        ("table/long.wav#0-1", "neutral", 1.0),
        ("table/long.wav#1-2", "angry", 1.0),
        ("table/long.wav#2-", "calm", 1.0),
    ]
    first, _, last = found.clips
    assert first.digest == last.digest  # equal content, wherever it is cut from
    (unreadable,) = found.left_out
    assert unreadable.startswith("table: 1 unreadable: ")
    assert unreadable.endswith("long.wav#2-9: the recording ends at 3 s")
    store = ClipStore.build([c.part for c in found.clips], [c.digest for c in found.clips], RATE)
    np.testing.assert_array_equal(store[1], samples[RATE : 2 * RATE].astype(np.float32))


def test_parquet_is_read_alike(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = table(tmp_path, "", "clips.parquet")
    columns = {"file": ["audio/a.wav", "audio/b.wav"], "emotion": [0, 1], "speaker": ["x", None]}
    parquet.write_table(pyarrow.table(columns), file)
    one, other = read(file, TableSpec(numbers=("sad", "calm"))).clips
    assert [one.emotion, other.emotion] == ["sad", "calm"]
    assert [one.speaker, other.speaker] == ["table/x", "table/unknown"]
