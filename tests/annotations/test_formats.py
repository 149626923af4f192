"""Annotations from other programs, and what our own exports wrote read again."""

import json
from pathlib import Path

import pytest

from sottovoce.annotations import Annotations, read_annotations
from sottovoce.errors import CorpusError
from sottovoce.export.audacity import audacity
from sottovoce.export.subtitles import subrip, webvtt
from sottovoce.export.textgrid import textgrid
from sottovoce.options import TableSpec
from sottovoce.results import Segment, Status


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("call.wav", "b.flac"):
        (tmp_path / name).touch()
    return tmp_path


def read(folder: Path, name: str, text: str, encoding: str = "utf-8", **columns: object) -> list:
    (folder / name).write_bytes(text.encode(encoding))
    return facts(read_annotations(folder / name, TableSpec.model_validate(columns)))


def facts(found: Annotations) -> list[tuple[str, float, float | None, str]]:
    return [(c.part.path.name, c.part.start, c.part.end, c.label) for c in found.clips]


def segment(start: float, end: float, emotion: str | None) -> Segment:
    return Segment(
        start=start,
        end=end,
        status=Status.OK if emotion else Status.SILENCE,
        emotion=emotion,
        confidence=0.8 if emotion else None,
        probabilities={"happy": 0.8, "sad": 0.2} if emotion else {},
    )


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("call.txt", audacity),
        ("call.TextGrid", textgrid),
        ("call.vtt", webvtt),
        ("call.srt", subrip),
    ],
)
def test_what_an_export_wrote_is_read_again(folder: Path, name: str, write: object) -> None:
    told = [segment(0, 1.25, "happy"), segment(1.25, 2, None), segment(2, 65.5, "sad")]
    text = write(told)  # type: ignore[operator]
    assert read(folder, name, text) == [
        ("call.wav", 0, 1.25, "happy"),
        ("call.wav", 2, 65.5, "sad"),
    ]


SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
3
<exists>
3
"IntervalTier"
"words"
0
3
1
0
3
"he said ""so"""
"TextTier"
"events"
0
3
1
1.5
"beep"
"IntervalTier"
"Emotion"
0
3
3
0
1
"wütend"
1
2
""
2
3
"ruhig"
'''


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_short_textgrid_gives_the_tier_of_that_name(folder: Path, encoding: str) -> None:
    assert read(folder, "call.TextGrid", SHORT, encoding, map={"ruhig": "calm"}) == [
        ("call.wav", 0, 1, "wütend"),
        ("call.wav", 2, 3, "calm"),
    ]
    assert read(folder, "call.TextGrid", SHORT, encoding, label="words")[0][3] == 'he said "so"'


def test_a_track_of_audacity_with_frequencies(folder: Path) -> None:
    text = "0.5\t1.5\tBored\n\\\t100.0\t2000.0\n2,000000\t3,250000\tstress: high\n4\t5\t\n"
    assert read(folder, "call.txt", text) == [
        ("call.wav", 0.5, 1.5, "bored"),
        ("call.wav", 2, 3.25, "stress: high"),
    ]


def test_the_voice_of_a_cue_is_its_speaker(folder: Path) -> None:
    cue = "00:01.000 --> 00:02.500 align:left\n<v Ann>Joy</v>\n"
    text = f"WEBVTT - moods\n\nNOTE by hand\n\nid 1\n{cue}"
    (folder / "call.vtt").write_text(text)
    (clip,) = read_annotations(folder / "call.vtt").clips
    assert (clip.part.start, clip.part.end, clip.label, clip.speaker) == (1, 2.5, "happy", "Ann")


TASKS = [
    {
        "id": 7,
        "data": {"audio": "/data/local-files/?d=call.wav", "speaker": "ann", "note": "x"},
        "annotations": [
            {
                "was_cancelled": True,
                "result": [{"value": {"start": 0, "end": 1, "labels": ["Sad"]}}],
            },
            {
                "result": [
                    {"from_name": "mood", "value": {"start": 0.5, "end": 2, "labels": ["Happy"]}},
                    {"from_name": "mood", "value": {"start": 2, "end": 3, "labels": ["Angry"]}},
                    {"from_name": "text", "value": {"start": 2, "end": 3, "text": ["oh"]}},
                ]
            },
        ],
    },
    {
        "id": 8,
        "data": {"audio": "/data/upload/1/0a1b2c3d-b.flac"},
        "annotations": [{"result": [{"from_name": "all", "value": {"choices": ["Bored"]}}]}],
    },
    {"id": 9, "data": {"audio": "call.wav"}, "annotations": []},
]
MIN = [
    {"audio": "call.wav", "id": 7, "mood": [{"start": 0.5, "end": 2, "labels": ["Happy"]}]},
    {"audio": "b.flac", "id": 8, "sentiment": "Bored", "annotator": 1},
]


def test_an_export_of_label_studio(folder: Path) -> None:
    found = read(folder, "export.json", json.dumps(TASKS))
    assert found == [
        ("b.flac", 0, None, "bored"),
        ("call.wav", 0.5, 2, "happy"),
        ("call.wav", 2, 3, "angry"),
    ]
    annotations = read_annotations(folder / "export.json")
    assert [clip.speaker for clip in annotations.clips] == ["", "ann", "ann"]
    assert [note.message for note in annotations.notes] == ["1 without a label: task 9"]
    assert read(folder, "min.json", json.dumps(MIN)) == [
        ("b.flac", 0, None, "bored"),
        ("call.wav", 0.5, 2, "happy"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("call.txt", "0\t1\tsad\nsad\n", "line 2: no label of Audacity; expected start, end and"),
        ("call.txt", "1\t1\tsad\n", "line 1: from 1 s to 1 s; expected an end after the start"),
        ("other.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nsad\n", "no recording beside it; expect"),
        ("call.vtt", "WEBVTT\n\nsad\n", "no cues; expected lines such as 00:00:01.000 --> "),
        ("call.vtt", "WEBVTT\n\n1:99:99:99 --> 00:02.000\nsad\n", "is no time; expected seconds"),
        ("call.TextGrid", SHORT[:200], "not a whole TextGrid; save it again as a text file"),
        ("call.TextGrid", SHORT.replace("Emotion", "mood"), "called 'emotion'; there are words"),
        ("call.txt", "0\t1\tchannel 1: sad\n", "line 1: labels one channel of its recording"),
        ("e.json", "{}", "expected a list of tasks, as Label Studio exports as JSON"),
        ("e.json", "[{", "not JSON"),
        ("e.json", '[{"data": {"audio": "call.wav"}, "annotations": [1]}]', "not what Label"),
        (
            "e.json",
            '[{"id": 3, "data": {"audio": "call.wav"}, "annotations": [{"result": '
            '[{"from_name": "a", "value": {"choices": ["x", "y"]}}]}]}]',
            "task 3: x, y: a clip has one label; keep one",
        ),
        (
            "e.json",
            '[{"id": 3, "data": {"audio": "call.wav"}, "annotations": [{"result": '
            '[{"from_name": "a", "value": {"choices": ["x"]}}, '
            '{"from_name": "b", "value": {"choices": ["y"]}}]}]}]',
            "task 3: which labels? there are a, b; name the right ones as table.label",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(folder: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(CorpusError) as caught:
        read(folder, name, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unsure_label_is_left_out_and_said(folder: Path) -> None:
    (folder / "call.txt").write_text("0\t1\tsad\n1\t2\thappy?\n")
    found = read_annotations(folder / "call.txt")
    assert facts(found) == [("call.wav", 0, 1, "sad")]
    assert [note.message for note in found.notes] == ["1 with a question mark: line 2"]
