"""The formats of a timeline, read back by those who define them or by their grammar."""

import re
import sys

import parselmouth
import pytest
from hypothesis import given, settings
from made_segments import recordings
from tiny_model import VOICE

from sottovoce import export
from sottovoce.cli import run
from sottovoce.errors import SottovoceError
from sottovoce.export import export_formats
from sottovoce.export.audacity import audacity
from sottovoce.export.subtitles import subrip, webvtt
from sottovoce.export.textgrid import textgrid
from sottovoce.inference.segments import merge_segments
from sottovoce.results import Segment, Status

CUE = re.compile(r"(\d\d+):(\d\d):(\d\d)[.,](\d{3}) --> (\d\d+):(\d\d):(\d\d)[.,](\d{3})")


def times(line):
    """Start and end of a cue, in ms."""
    numbers = list(map(int, CUE.fullmatch(line).groups()))
    return tuple(((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:]))


def named(segments):
    """The stretches with an emotion, in order of time."""
    found = (one for one in merge_segments(segments) if one.emotion is not None)
    return sorted(found, key=lambda one: (one.start, one.channel or 0))


@given(segments=recordings())
def test_webvtt_has_one_cue_a_stretch(segments):
    head, *cues = webvtt(segments).rstrip("\n").split("\n\n")
    assert head == "WEBVTT"
    for cue, one in zip(cues, named(segments), strict=True):
        timing, text = cue.split("\n")
        assert times(timing) == (round(1000 * one.start), round(1000 * one.end))
        voice = "" if one.channel is None else f"<v channel {one.channel}>"
        assert text.startswith(f"{voice}{one.emotion}")


@given(segments=recordings())
def test_subrip_is_numbered_and_its_cues_of_a_channel_never_overlap(segments):
    text = subrip(segments)
    cues = text.rstrip("\n").split("\n\n") if text else []
    until = {}
    for number, cue in enumerate(cues, 1):
        count, timing, words = cue.split("\n")
        assert int(count) == number
        start, end = times(timing)
        channel = words.rpartition(": ")[0]
        assert until.get(channel, 0) <= start < end
        until[channel] = end


@given(segments=recordings())
def test_audacity_labels_are_start_end_and_text_between_tabs(segments):
    lines = audacity(segments).splitlines()
    for line, one in zip(lines, named(segments), strict=True):
        start, end, label = line.split("\t")
        assert float(start) == pytest.approx(one.start, abs=1e-6)
        assert float(end) == pytest.approx(one.end, abs=1e-6)
        assert one.emotion in label
        assert label.endswith("?") == (one.status is Status.UNCERTAIN)


@settings(deadline=None, max_examples=25)
@given(segments=recordings().filter(bool))
def test_praat_reads_the_textgrid(segments, tmp_path_factory):
    path = tmp_path_factory.mktemp("praat") / "made.TextGrid"
    path.write_text(textgrid(segments), encoding="utf-8")
    grid = parselmouth.Data.read(str(path))
    assert grid.xmin == 0
    assert grid.xmax == pytest.approx(segments[-1].end, abs=1e-6)
    channels = sorted({one.channel for one in segments}, key=lambda one: one or 0)
    assert parselmouth.praat.call(grid, "Get number of tiers") == len(channels)
    for tier, channel in enumerate(channels, 1):
        name = "emotion" if channel is None else f"emotion channel {channel}"
        assert parselmouth.praat.call(grid, "Get tier name", tier) == name
        for one in segments:
            if one.channel == channel:
                middle = (one.start + one.end) / 2
                place = parselmouth.praat.call(grid, "Get interval at time", tier, middle)
                label = parselmouth.praat.call(grid, "Get label of interval", tier, place)
                assert label.rstrip("?") == (one.emotion or "")


def test_an_hour_has_hours_in_its_times():
    one = Segment(
        start=3661.5,
        end=3662.0,
        status=Status.OK,
        emotion="sad",
        confidence=0.876,
        probabilities={"sad": 0.876, "happy": 0.124},
    )
    assert "01:01:01.500 --> 01:01:02.000\nsad 88%" in webvtt([one])
    assert "1\n01:01:01,500 --> 01:01:02,000\nsad 88%" in subrip([one])


def test_labels_cannot_break_a_format(tmp_path):
    odd = '<b>"sad" & --> \n\tmore'
    one = Segment(
        start=0,
        end=1,
        status=Status.OK,
        emotion=odd,
        confidence=0.9,
        probabilities={odd: 0.9, "happy": 0.1},
    )
    assert webvtt([one]).count("-->") == 1
    assert len(audacity([one]).splitlines()) == 1
    assert audacity([one]).count("\t") == 2
    path = tmp_path / "odd.TextGrid"
    path.write_text(textgrid([one]), encoding="utf-8")
    grid = parselmouth.Data.read(str(path))
    assert '"sad"' in parselmouth.praat.call(grid, "Get label of interval", 1, 1)


def test_nothing_at_all_has_no_subtitles_and_no_textgrid():
    assert webvtt([]) == "WEBVTT\n"
    assert subrip([]) == audacity([]) == ""
    with pytest.raises(SottovoceError, match="the recording is empty"):
        textgrid([])


def test_a_format_is_one_new_file(tmp_path, monkeypatch, capsys):
    module = """
from contextlib import contextmanager
from pathlib import Path
from sottovoce.export import ExportFormat

@contextmanager
def writer(path, about):
    lines = []
    yield lambda segment: lines.append(segment.words)
    Path(path).write_text("\\n".join(lines))

FORMAT = ExportFormat("lyrics", "A line a segment.", writer, (".txt",), "lyrics")
"""
    (tmp_path / "lyrics.py").write_text(module)
    monkeypatch.setattr(export, "__path__", [*export.__path__, str(tmp_path)])
    assert list(export_formats()) == [
        "audacity",
        "csv",
        "lyrics",
        "plot",
        "report",
        "subtitles",
        "textgrid",
    ]
    monkeypatch.delitem(sys.modules, "sottovoce.cli.timeline", raising=False)
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", "100")
        run(["timeline", "--help"])
    assert re.search("--lyrics +FILE +A line a segment.", capsys.readouterr().out)
    target = tmp_path / "out.txt"
    assert run(["timeline", str(VOICE), "--lyrics", str(target), "--json"]) == 0
    assert len(target.read_text().splitlines()) == 4
    assert run(["timeline", str(VOICE), "--lyrics", "out.md"]) == 2
    assert "out.md: not lyrics; expected .txt" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "sottovoce.cli.timeline")
    monkeypatch.delitem(sys.modules, "sottovoce.export.lyrics")
