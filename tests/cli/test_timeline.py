"""`sottovoce timeline` as a person or a script meets it."""

import csv
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import parselmouth
import pytest
import soundfile
from PIL import Image
from rich.console import Console
from tiny_model import LABELS, RATE, VOICE, write_tiny

from sottovoce import Audio, Model
from sottovoce.cli import _progress, _timeline_view, run
from sottovoce.cli import timeline as command
from sottovoce.emotions import EMOTION_COLOURS
from sottovoce.errors import install_line
from sottovoce.inference.segments import SummaryBuilder, merge_segments
from sottovoce.results import Segment, Status

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """12 s, two channels: one speaks, then the other."""
    voice = Audio.read(VOICE, sample_rate=RATE).samples[0][: 3 * RATE]
    rest = np.zeros_like(voice)
    channels = np.stack([np.tile([voice, rest], 2).ravel(), np.tile([rest, voice], 2).ravel()])
    path = tmp_path_factory.mktemp("recording") / "call [1].wav"
    soundfile.write(path, channels.T, RATE)
    return path


@pytest.fixture
def timeline(tiny, capfd):
    """Run the command; gives (exit status, stdout, stderr)."""

    def call(*arguments):
        status = run(["timeline", "--model", str(tiny), *map(str, arguments)])
        return status, *capfd.readouterr()

    return call


@pytest.fixture
def segments(tiny, recording):
    """What the library says of the recording."""

    def follow(**options):
        return list(Model.open(tiny).timeline(recording, **options))

    return follow


# -- for people ------------------------------------------------------------------------------------


def test_a_strip_with_a_time_axis_a_legend_and_figures(timeline, recording, segments):
    status, out, err = timeline(recording)
    strip, axis, _, *rest = out.splitlines()
    assert (status, err) == (0, "")
    assert axis.startswith("|0:00     |0:02")
    assert set(strip.lower()) <= set("nhsa·.")
    columns = 5  # a second
    for one in segments():
        part = strip[round(one.start * columns) : round(one.end * columns)].upper()
        letter = "·." if one.emotion is None else one.emotion[0].upper()
        assert set(part) <= set(letter)
    assert all(label in rest[0] for label in LABELS)
    assert re.search(r"\d+\.\d s judged of 12\.0 s; \d+ changes?; longest: ", out)


def test_channels_have_a_strip_and_figures_each(timeline, recording):
    _, out, _ = timeline(recording, "--channels", "split")
    lines = out.splitlines()
    first, second = lines[0].removeprefix(" 1 "), lines[1].removeprefix(" 2 ")
    assert (len(first), len(second)) == (60, 60)
    pauses = "·."
    assert first[40] in pauses
    assert second[10] in pauses
    assert first[10].isalpha()
    assert second[40].isalpha()
    assert [line for line in lines if line.startswith("channel")] == ["channel 1", "channel 2"]


def test_a_recording_without_anything_says_so(timeline, tmp_path):
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros(3 * RATE), RATE)
    status, out, _ = timeline(path)
    assert status == 0
    assert "In 3.0 s no emotion stands out." in out
    soundfile.write(path, np.zeros(0), RATE)
    assert timeline(path)[1] == "There was nothing to hear.\n"


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("seconds", [3, 100, 5000, 100_000])
def test_a_strip_is_never_wider_than_the_terminal_and_shows_every_moment(width, seconds):
    strip, tally = _timeline_view.Strip(LABELS), SummaryBuilder(LABELS)
    hop = 1 if seconds < 10_000 else 50
    for start in range(0, seconds, hop):
        label = LABELS[4 * start // seconds]
        segment = Segment(
            start=start,
            end=start + hop,
            status=Status.OK,
            emotion=label,
            confidence=0.9,
            probabilities={label: 0.9, "x": 0.1},
        )
        strip.add(segment)
        tally.add(segment)
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width)
    _timeline_view.show_timeline(console, strip, LABELS, tally.summary)
    lines = [ESCAPES.sub("", line) for line in file.getvalue().splitlines()]
    assert max(map(len, lines)) <= width
    rows = lines[: lines.index("")]
    assert len(rows) <= 2 * _timeline_view.ROWS
    assert rows[1].startswith("|0:00")
    shown = "".join(rows[::2])
    heard = [label for label in LABELS if tally.summary().shares[label]]
    assert re.fullmatch("".join(f"{label[0].upper()}+" for label in heard), shown)
    for label in heard:
        share = shown.count(label[0].upper()) / len(shown)
        assert share == pytest.approx(tally.summary().shares[label], abs=1.01 / len(shown))


# -- for scripts -----------------------------------------------------------------------------------


def test_json_is_one_object_a_segment(timeline, recording, segments):
    options = ("--hop", 0.5, "--window", 2, "--lookahead", 1, "--hold", 0)
    status, out, err = timeline(recording, "--json", *options)
    expected = segments(hop=0.5, window=2, lookahead=1, hold=0)
    assert [json.loads(line) for line in out.splitlines()] == [one.to_dict() for one in expected]
    assert (status, err) == (0, "")


def test_csv_has_a_row_a_segment_and_a_column_a_label(timeline, recording, segments, tmp_path):
    path = tmp_path / "out.csv"
    timeline(recording, "--csv", path, "--channels", "split")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = segments(channels="split")
    assert len(rows) == len(expected)
    for row, one in zip(rows, expected, strict=True):
        assert (float(row["start"]), float(row["end"])) == (one.start, one.end)
        assert (row["channel"], row["status"]) == (str(one.channel), one.status)
        assert row["emotion"] == (one.emotion or "")
        for label in LABELS:
            assert row[label] == str(one.probabilities.get(label, ""))


def test_every_file_says_the_same(timeline, recording, segments, tmp_path):
    names = ("a.vtt", "a.srt", "a.TextGrid", "a.txt")
    vtt, srt, grid, labels = (tmp_path / name for name in names)
    status, _, _ = timeline(
        *(recording, "--subtitles", vtt, "--textgrid", grid, "--audacity", labels)
    )
    assert status == 0
    assert timeline(recording, "--subtitles", srt)[0] == 0
    named = [one for one in merge_segments(segments()) if one.emotion is not None]
    assert vtt.read_text().startswith("WEBVTT\n\n00:00:")
    assert vtt.read_text().count(" --> ") == srt.read_text().count(" --> ") == len(named)
    assert srt.read_text().startswith("1\n00:00:")
    assert len(labels.read_text().splitlines()) == len(named)
    read = parselmouth.Data.read(str(grid))
    assert read.xmax == 12
    for one in named:
        place = parselmouth.praat.call(read, "Get interval at time", 1, (one.start + one.end) / 2)
        label = parselmouth.praat.call(read, "Get label of interval", 1, place)
        assert label.rstrip("?") == one.emotion


def test_the_picture_has_the_colours_of_what_was_heard(timeline, recording, segments, tmp_path):
    path = tmp_path / "out.png"
    status, _, err = timeline(recording, "--plot", path)
    assert (status, err) == (0, "")
    with Image.open(path) as image:
        pixels = {
            "#{:02x}{:02x}{:02x}".format(*rgb) for _, rgb in image.convert("RGB").getcolors(10**7)
        }
    for one in segments():
        if one.emotion is not None:
            assert EMOTION_COLOURS[one.emotion] in pixels
    svg = tmp_path / "two.svg"
    assert timeline(recording, "--plot", svg, "--channels", "split")[0] == 0
    assert ET.parse(svg).getroot().tag.endswith("svg")  # noqa: S314 - we wrote it


@pytest.mark.parametrize(
    ("seconds", "shown", "hidden"), [(3, "0.5 s", "0:00"), (75, "1:10", "70 s")]
)
def test_the_picture_counts_seconds_below_a_minute(timeline, tmp_path, seconds, shown, hidden):
    voice, picture = tmp_path / "long.wav", tmp_path / "out.svg"
    samples = np.tile(Audio.read(VOICE).samples[0], 40)[: seconds * RATE]
    soundfile.write(voice, samples, RATE)
    assert timeline(voice, "--plot", picture)[0] == 0
    words = re.findall("<!-- (.+?) -->", picture.read_text())
    assert words.count(shown) == 1
    assert hidden not in words


def test_a_name_with_marks_of_a_formula_is_only_a_title(timeline, recording, tmp_path):
    odd = tmp_path / "take \u4e00 $x^2_{$.wav"
    shutil.copy(recording, odd)
    status, _, err = timeline(odd, "--plot", tmp_path / "out.png")
    assert (status, err) == (0, "")


def test_without_matplotlib_there_is_one_line_and_no_file(
    timeline, recording, tmp_path, monkeypatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    status, out, err = timeline(recording, "--plot", tmp_path / "out.png")
    assert (status, out) == (2, "")
    assert err == f"sottovoce: a picture needs matplotlib; run: {install_line('plot')}\n"
    assert not (tmp_path / "out.png").exists()


def test_standard_input_is_a_recording(timeline, recording, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(recording.read_bytes())))
    status, out, _ = timeline("-", "--json")
    assert (status, len(out.splitlines())) == (0, 12)


def test_an_interruption_leaves_what_was_heard(timeline, tiny, recording, tmp_path, monkeypatch):
    followed, opened = Model.timeline, Model.open(tiny)

    class Interrupted:
        def __init__(self, *arguments, **options):
            self._inside = followed(opened, *arguments, **options)
            self.summary = self._inside.summary

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._inside.close()

        def __iter__(self):
            yield from (next(self._inside) for _ in range(4))
            raise KeyboardInterrupt

    monkeypatch.setattr("sottovoce.models.model.Model.timeline", staticmethod(Interrupted))
    files = {name: tmp_path / name for name in ("a.csv", "a.vtt", "a.TextGrid", "a.png")}
    status, out, err = timeline(
        *(recording, "--csv", files["a.csv"], "--subtitles", files["a.vtt"]),
        *("--textgrid", files["a.TextGrid"], "--plot", files["a.png"]),
    )
    assert (status, err) == (130, "")
    assert "of 4.0 s" in out
    assert len(files["a.csv"].read_text().splitlines()) == 5
    assert parselmouth.Data.read(str(files["a.TextGrid"])).xmax == 4
    assert files["a.vtt"].read_text().count(" --> ")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere.wav"], "nowhere.wav: no such file; check the path"),
        ([__file__], "not a recording that can be decoded"),
        (["REC", "--hop", "0"], "hop is 0.0 s; expected 0.1 s to 60 s"),
        (["REC", "--window", "60"], "to 6 s, what tiny 1.0 hears at once"),
        (["REC", "--window", "1", "--hop", "2"], "expected at least the hop"),
        (["REC", "--subtitles", "out.txt"], "out.txt: not subtitles; expected .vtt, .srt"),
        (["REC", "--plot", "out.jpeg"], "out.jpeg: not a picture; expected .png, .svg, .pdf"),
        (["REC", "--csv", "no/such/folder.csv"], "no/such/folder.csv: cannot be written"),
        (["REC", "--textgrid", "."], ".: cannot be written"),
        (["REC", "--speech-threshold", "3"], "speech_threshold is 3.0; expected 0 to 1"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    timeline, recording, tmp_path, monkeypatch, arguments, why
):
    monkeypatch.chdir(tmp_path)
    status, out, err = timeline(*(recording if one == "REC" else one for one in arguments))
    assert (status, out) == (2, "")
    assert err.startswith("sottovoce: ")
    assert why in err
    assert err.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "wrong", [[], ["a.wav", "--smoothing", "x"], ["a.wav", "--channels", "left"], ["a", "b"]]
)
def test_wrong_usage_is_status_2(timeline, wrong):
    status, out, err = timeline(*wrong)
    assert (status, out) == (2, "")
    assert "Traceback" not in err


def test_help_has_examples_and_the_defaults_that_hold(capfd):
    assert run(["timeline", "--help"]) == 0
    out = " ".join(ESCAPES.sub("", capfd.readouterr().out).split())
    assert "sottovoce timeline interview.mp3" in out
    for default in ("3.0", "1.0", "2.0", "hmm", "mix"):
        assert f"[default: {default}]" in out


def test_a_reader_that_leaves_early_is_no_traceback(tiny, recording):
    read, write = os.pipe()
    os.close(read)
    code = "from sottovoce.cli import main; main()"
    arguments = ["timeline", "--json", "--model", str(tiny), str(recording)]
    with os.fdopen(write, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert b"Traceback" not in done.stderr


def test_a_bar_is_shown_once_it_takes_a_while(timeline, recording, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # standard error passes for a terminal
    monkeypatch.setattr(_progress, "SHOWN_AFTER", 1e9)
    assert timeline(recording)[2] == ""
    monkeypatch.setattr(_progress, "SHOWN_AFTER", 0)
    assert re.search(r"Listening ━.+ 0:\d\d ", ESCAPES.sub("", timeline(recording)[2]))
    assert timeline(recording, "--json")[2] == ""


@pytest.mark.parametrize("path", ["-", "nowhere.wav", __file__])
def test_a_length_that_is_not_said_is_no_obstacle(path):
    assert command._duration(path) is None
