"""Tables as people save them: each is read, or refused in one line that says what to do."""

import unicodedata
from pathlib import Path

import pytest

from sottovoce.annotations import Annotations, read_annotations
from sottovoce.annotations.entry import seconds
from sottovoce.errors import CorpusError
from sottovoce.options import TableSpec
from sottovoce.text import csv_cell

CLIPS = [("a", "neutral", "1"), ("b", "sad", "1"), ("c", "angry", "2"), ("d", "neutral", "3")]
HEAD = "file,emotion,speaker\n"
ROWS = [f"wav/{name}.wav,{emotion},{speaker}\n" for name, emotion, speaker in CLIPS]
BODY = "".join(ROWS)
PLAIN = [(name, emotion, speaker) for name, emotion, speaker in CLIPS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wav").mkdir()
    for name, _, _ in CLIPS:
        (tmp_path / "wav" / f"{name}.wav").touch()
    return tmp_path


def read(folder: Path, content: str | bytes, name: str = "t.csv", **columns: object) -> Annotations:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    return read_annotations(folder / name, TableSpec.model_validate(columns))


def facts(found: Annotations) -> list[tuple[str, str, str]]:
    return [(clip.part.path.stem, clip.label, clip.speaker) for clip in found.clips]


SAME: dict[str, str | bytes] = {
    "plain": HEAD + BODY,
    "byte order mark": "\ufeff" + HEAD + BODY,
    "windows": (HEAD + BODY).replace("\n", "\r\n"),
    "old mac": (HEAD + BODY).replace("\n", "\r"),
    "semicolons": (HEAD + BODY).replace(",", ";"),
    "tabs": (HEAD + BODY).replace(",", "\t"),
    "pipes": (HEAD + BODY).replace(",", "|"),
    "separator said": "sep=;\n" + (HEAD + BODY).replace(",", ";"),
    "utf-16": (HEAD + BODY).encode("utf-16"),
    "utf-16 of the other order": "\ufeff".encode("utf-16-be") + (HEAD + BODY).encode("utf-16-be"),
    "blanks": (HEAD + BODY).replace(",", ", "),
    "blanks before quotes": HEAD + BODY.replace(",", ', "', 1).replace(",1", '",1', 1),
    "backslashes": HEAD + BODY.replace("wav/", "wav\\"),
    "quotes": '"file","emotion","speaker"\n' + BODY.replace("wav/a.wav", '"wav/a.wav"'),
    "capitals": HEAD + BODY.replace("sad", "SAD").replace("angry", "Anger"),
    "head in capitals": HEAD.title() + BODY,
    "an index": "," + HEAD + "".join(f"{i},{row}" for i, row in enumerate(ROWS)),
    "rows twice": HEAD + BODY + ROWS[0] + ROWS[0],
    "no label": HEAD + BODY + "wav/a.wav,,1\n",
    "label NA": HEAD + BODY + "wav/a.wav,NA,1\n",
    "blank rows": HEAD + "\n" + BODY + "\n\n,,\n",
    "comments": "# made by hand\n" + HEAD + "# here they are\n" + BODY + '# "the end\n',
    "no extension": HEAD + BODY.replace(".wav,", ","),
    "other case": HEAD + BODY.replace("wav/a", "Wav/A"),
    "a cell too many, empty": HEAD + BODY.replace("\n", ",\n"),
}


@pytest.mark.parametrize("kind", SAME)
def test_however_a_table_is_saved_it_is_the_same(folder: Path, kind: str) -> None:
    assert facts(read(folder, SAME[kind])) == PLAIN


def test_what_is_passed_over_is_said(folder: Path) -> None:
    rows = ["wav/a.wav,neutral,1\n", "wav/b.wav,,\n", "wav/b.wav,nan,\n", "wav/no.wav,sad,\n"]
    found = read(folder, HEAD + BODY + "\n".join(rows), skip_missing=True)
    assert facts(found) == PLAIN
    assert [(note.kind, note.message) for note in found.notes] == [
        ("repeated", "named again in line 6; the first is used"),
        ("not there", "1 not there: line 12: wav/no.wav"),
        ("no label", "2 without a label: line 8, line 10"),
    ]


def test_speakers_are_text_and_may_be_left_out(folder: Path) -> None:
    assert [clip.speaker for clip in read(folder, "file,emotion\nwav/a.wav,sad\n").clips] == [""]
    rows = "wav/a.wav,sad,001\nwav/b.wav,sad,\nwav/c.wav,sad,nan\nwav/d.wav,sad,Zoë\n"
    found = read(folder, HEAD + rows)
    assert [clip.speaker for clip in found.clips] == ["001", "", "", "Zoë"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_names_are_found_in_either_unicode_form(folder: Path, form: str, written: str) -> None:
    name = "ünï 日本 ☃, b.wav"
    (folder / "wav" / unicodedata.normalize(form, name)).touch()  # type: ignore[arg-type]
    row = unicodedata.normalize(written, f'"wav/{name}",Frust,Зоя\n')  # type: ignore[arg-type]
    (clip,) = read(folder, HEAD + row).clips
    assert (clip.label, clip.speaker) == ("frust", "Зоя")


@pytest.mark.parametrize(
    "name",
    [
        "/data/local-files/?d=wav/a.wav",
        "/data/local-files/?d=media/study/wav/a.wav",
        "/data/upload/3/0a1b2c3d-a.wav",
        "https://example.org/files/wav/a.wav?token=1",
        "s3://bucket/wav/a.wav",
        "file:///nowhere/wav/a.wav",
    ],
)
def test_addresses_are_found_by_the_ends_of_their_paths(folder: Path, name: str) -> None:
    (folder / "a.wav").touch()  # where uploads are kept beside the table
    table = f'audio,id,label,annotator\n{name},0,"neutral",1\n'
    (clip,) = read(folder, table, path="audio", label="label").clips
    assert (clip.part.path.name, clip.label) == ("a.wav", "neutral")


@pytest.mark.parametrize("zero", ["", ".0"])
def test_numbers_have_words(folder: Path, zero: str) -> None:
    table = HEAD + "".join(f"wav/{name}.wav,{i}{zero},1\n" for i, name in enumerate("abc"))
    labels = ("neutral", "sad", "anger")
    expected = ["neutral", "sad", "angry"]
    assert [clip.label for clip in read(folder, table, numbers=labels).clips] == expected
    named = {str(number): label for number, label in enumerate(labels)}
    assert [clip.label for clip in read(folder, table, map=named).clips] == expected


def test_a_map_says_what_labels_mean(folder: Path) -> None:
    table = HEAD + 'wav/a.wav,Exc,1\nwav/b.wav,Stress: high,1\nwav/c.wav,"sad;angry",2\n'
    found = read(folder, table, map={"exc": "joy", "sad;angry": "Mixed"})
    assert [clip.label for clip in found.clips] == ["happy", "stress: high", "mixed"]


SEGMENTS = {
    "seconds": "file,start,end,emotion\nwav/a.wav,0,1.5,sad\nwav/a.wav,1.5,62.25,angry\n",
    "clock": "file,start,end,emotion\nwav/a.wav,0:00,0:01.5,sad\nwav/a.wav,0:01.5,1:02.25,angry\n",
    "audformat": "file,start,end,emotion\nwav/a.wav,0 days,0 days 00:00:01.500,sad\n"
    "wav/a.wav,0 days 00:00:01.500000,0 days 00:01:02.250000,angry\n",
    "decimal commas": "file;start;end;emotion\nwav/a.wav;0;1,5;sad\nwav/a.wav;1,5;62,25;angry\n",
}


@pytest.mark.parametrize("kind", SEGMENTS)
def test_a_clip_may_be_a_part_of_a_file(folder: Path, kind: str) -> None:
    text = SEGMENTS[kind].replace("0 days,", "0 days 00:00:00,")
    found = [(c.part.start, c.part.end, c.label) for c in read(folder, text).clips]
    assert found == [(0, 1.5, "sad"), (1.5, 62.25, "angry")]


def test_times_may_be_samples_or_frames_and_an_end_may_be_the_files(folder: Path) -> None:
    table = (
        "file,from,to,emotion\nwav/a.wav,8000,24000,sad\nwav/b.wav,400,NaT,sad\nwav/c.wav,,,sad\n"
    )
    found = read(folder, table, start="from", end="to", rate=16000)
    assert [clip.part[1:] for clip in found.clips] == [(0.5, 1.5), (0.025, None), (0, None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BODY, "its first line is a clip (wav/a.wav, neutral, 1), and should be the names of col"),
        (HEAD.encode() + "wav/a.wav,sad,Zo\xeb\n".encode("latin-1"), "line 2: not UTF-8 text (b"),
        (HEAD.encode("utf-16-le"), "not text (it holds zero bytes); save it as UTF-8"),
        (b"PK\x03\x04more", "is a workbook; save its sheet as CSV (UTF-8)"),
        (
            HEAD + BODY + "wav/a.wav,angry,1\n",
            "1 clip has more than one label: wav/a.wav is neutral in line 2, angry in line 6; keep",
        ),
        (HEAD + BODY + "wav/a.wav,neutral,9\n", "wav/a.wav is speaker 1 in line 2, speaker 9 in l"),
        (HEAD + '"wav/a.wav","sad;angry",1\n', "line 2: label 'sad;angry' is several emotions, a"),
        (HEAD + "wav/no.wav,sad,1\n", "line 2: wav/no.wav is not there; paths are taken relative"),
        (HEAD + "wav/no.wav,sad,1\n", "--skip-missing"),
        (HEAD + "wav/a.wav,0,1\n", "line 2: label 0 is a number with no emotion; list the emotio"),
        (HEAD + "wav/a.wav,0.3,1\n", "line 2: label '0.3' is a number, and a label is a word; dim"),
        (HEAD + "wav/a.wav,sad,1,x\n", "line 2: 4 cells, and the names of columns are 3; a cell "),
        (HEAD + f"wav/a.wav,{'x' * 65},1\n", "has 65 characters; expected 64 at most"),
        (HEAD + "wav/a.wav,sa\x07d,1\n", "holds characters that cannot be printed"),
        (HEAD + '"wav/a.wav,sad,1\nwav/b.wav,sad,2\n', "line 2: a quote is not closed, or not al"),
        (HEAD + ",sad,1\n", "line 2: names no file"),
        ("file,emotion,Emotion,EMOTION\nwav/a.wav,a,b,c\n", ""),
        ("file,Emotion,EMOTION\nwav/a.wav,a,b\n", "2 columns are called 'emotion'; keep one"),
        (
            "file,valence,arousal\nwav/a.wav,0.3,0.8\n",
            "no column 'emotion'; there are file, valence, arousal; valence and arousal are dimens",
        ),
        ("audio,label\nwav/a.wav,sad\n", "no column 'file'; there are audio, label; name the rig"),
        ("file,emotion,start\nwav/a.wav,sad,1\n", "a column 'start' and no column 'end'; name it"),
        ("file,emotion,start,end\nwav/a.wav,sad,2,1\n", "line 2: from 2 s to 1 s; expected an end"),
        ("file,emotion,start,end\nwav/a.wav,sad,-1,1\n", "line 2: '-1' is no time; expected secon"),
        ("file,emotion,start,end\nwav/a.wav,sad,soon,1\n", "line 2: 'soon' is no time; expected s"),
    ],
)
def test_what_cannot_be_read_is_one_line(folder: Path, text: str | bytes, message: str) -> None:
    if not message:
        assert [clip.label for clip in read(folder, text).clips] == ["a"]
        return
    with pytest.raises(CorpusError) as caught:
        read(folder, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_line_numbers_are_those_of_an_editor(folder: Path) -> None:
    note = '"two\n# lines, one cell"'
    table = f"# first\nfile,emotion,note\nwav/a.wav,sad,{note}\n\nwav/no.wav,sad,x\n"
    with pytest.raises(CorpusError, match=r"line 6: wav/no.wav is not there"):
        read(folder, table)
    table = f"\r\n{HEAD}wav/a.wav,sad,{note}\r\nwav/b.wav,7,x\r\n"
    with pytest.raises(CorpusError, match="line 5: label 7 is a number"):
        read(folder, table)


def test_numbers_that_count_from_one_are_not_taken_for_their_neighbours(folder: Path) -> None:
    table = HEAD + "wav/a.wav,1,1\nwav/b.wav,2,1\n"
    with pytest.raises(CorpusError, match=r"0 to 1; where they count from 1, give --map 1=neutral"):
        read(folder, table, numbers=("neutral", "sad"))


def test_all_conflicts_are_counted_and_the_first_are_listed(folder: Path) -> None:
    rows = "".join(f"wav/{name}.wav,{label},1\n" for label in ("sad", "calm") for name in "abcd")
    with pytest.raises(CorpusError, match=r"4 clips have more than one label: wav/a.wav is sad"):
        read(folder, HEAD + rows)


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.txt", "t.tsv", "table"])
def test_the_content_says_what_a_file_is(folder: Path, name: str) -> None:
    rows = [f'{{"file": "wav/{n}.wav", "emotion": "{e}", "speaker": {s}}}' for n, e, s in CLIPS]
    json = {"t.jsonl": "\n".join(rows), "t.json": f"[{', '.join(rows)}]"}
    assert facts(read(folder, json.get(name, HEAD + BODY), name)) == PLAIN


@pytest.mark.parametrize(
    ("text", "rate", "expected"),
    [("3,25", 1, 3.25), ("8000", 16000, 0.5), ("1 days 01:00:01", 1, 90001), ("NaT", 1, None)],
)
def test_times(text: str, rate: float, expected: float | None) -> None:
    assert seconds(text, rate) == expected


@pytest.mark.parametrize("name", ["=a", "-b", "@c", "+d", "'=e", "''f", "'g"])
def test_a_cell_that_was_kept_from_being_a_formula_means_its_text(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / f"{name}.wav").touch()
    row = [csv_cell(f"{name}.wav"), csv_cell("=happy"), csv_cell("-1 b")]
    found = read(tmp_path, HEAD + ",".join(row) + "\n")
    assert facts(found) == [(name, "=happy", "-1 b")]
