"""`sottovoce predict` as a person or a script meets it."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console
from tiny_model import LABELS, RATE, VOICE, write_tiny

from sottovoce.cli import run
from sottovoce.cli._output import table
from sottovoce.results import Prediction, Status


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def folder(tmp_path):
    """voice.wav, silent.wav, deeper/voice.WAV, and things that are not audio."""
    shutil.copy(VOICE, tmp_path / "voice.wav")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    (tmp_path / "deeper").mkdir()
    shutil.copy(VOICE, tmp_path / "deeper" / "voice.WAV")
    (tmp_path / "notes.txt").write_text("not audio")
    (tmp_path / "._voice.wav").write_text("what macOS leaves beside a file")
    return tmp_path


@pytest.fixture
def predict(tiny, capfd):
    """Run the command; gives (exit status, stdout, stderr)."""

    def call(*arguments):
        status = run(["predict", "--model", str(tiny), *map(str, arguments)])
        return status, *capfd.readouterr()

    return call


@pytest.fixture
def predict_json(predict):
    def call(*arguments):
        status, out, err = predict("--json", *arguments)
        return status, [json.loads(line) for line in out.splitlines()], err

    return call


def test_a_table_for_people(predict, folder):
    status, out, err = predict(folder / "voice.wav", folder / "silent.wav")
    heading, voice, silent, _, summary = out.splitlines()
    assert heading.split() == ["recording", "emotion", "sure", "or", "else", "length"]
    assert voice.startswith(str(folder / "voice.wav"))
    assert "3.4 s" in voice
    assert silent.split()[1:] == ["silence", "1.0", "s"]
    assert summary == "2 recordings: 1 judged, 1 silent. Model: tiny 1.0."
    assert (status, err) == (0, "")


def test_a_table_that_is_no_terminal_s_is_never_cut(predict, tmp_path):
    long = tmp_path / ("x" * 200) / ("y" * 200 + ".wav")
    long.parent.mkdir()
    shutil.copy(VOICE, long)
    _, out, _ = predict(long)
    assert str(long) in out


@pytest.mark.parametrize("width", [50, 70, 100])
def test_a_table_on_a_terminal_keeps_whole_paths_whatever_its_width(folder, width):
    answers = [
        Prediction(
            status=Status.TOO_SHORT,
            model="tiny 1.0",
            source=str(folder / "voice.wav"),
            duration=0.1,
        ),
        Prediction(
            status=Status.OK,
            model="tiny 1.0",
            source="b.wav",
            duration=3600,
            emotion="sad",
            confidence=0.7,
            probabilities={"happy": 0.3, "sad": 0.7},
        ),
    ]
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, no_color=True)
    with table(console, console) as add:
        for answer in answers:
            add(answer)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()).splitlines()
    assert max(map(len, lines)) <= width
    first = "".join(line.split("  ")[0].strip() for line in lines[3:-3])
    assert first.startswith(str(folder / "voice.wav"))
    assert ("happy 30%" in "".join(lines)) == (width == 100)


def test_of_a_long_recording_the_timeline_is_recommended(predict, folder):
    voice, rate = soundfile.read(folder / "voice.wav")
    soundfile.write(folder / "long.wav", np.tile(voice, 20), rate)
    status, _, err = predict(folder / "long.wav", folder / "voice.wav")
    assert status == 0
    assert err.splitlines() == [
        f"sottovoce: {folder / 'long.wav'}: 1:08 long, and this is the emotion with the most time; "
        "timeline says which is heard when"
    ]


def test_channels_are_judged_apart_whatever_stands_between(predict, predict_json, folder):
    voice, rate = soundfile.read(folder / "voice.wav")
    both, missing = folder / "both.wav", folder / "*.none"
    soundfile.write(both, np.stack([voice, np.zeros_like(voice)], axis=1), rate)
    paths = (both, missing, folder / "silent.wav", both)
    status, answers, _ = predict_json(*paths, "--channels", "split")
    assert status == 1
    ok, silent = (1, "ok"), (2, "silence")
    assert [(answer["channel"], answer["status"]) for answer in answers] == [
        *(ok, silent, (None, "error"), (1, "silence"), ok, silent)
    ]
    status, out, _ = predict(both, "--channels", "split")
    assert f"{both}, channel 2" in out
    assert "2 channels: 1 judged, 1 silent." in out


def test_json_is_one_object_a_line_with_the_same_keys(predict_json, folder):
    status, answers, err = predict_json(folder / "voice.wav", folder / "silent.wav")
    assert [answer["status"] for answer in answers] == ["ok", "silence"]
    for answer in answers:
        assert list(answer) == [
            *("path", "channel", "status", "emotion", "confidence", "probabilities"),
            *("duration", "model", "message", "warnings"),
        ]
    assert list(answers[0]["probabilities"]) == list(LABELS)
    assert answers[0]["path"] == str(folder / "voice.wav")
    assert (status, err) == (0, "")


def test_csv_has_a_column_for_each_label(predict, predict_json, folder):
    target = folder / "out.csv"
    status, out, _ = predict("--csv", target, folder)
    _, answers, _ = predict_json(folder)
    with target.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (status, out) == (0, "")
    assert [row["path"] for row in rows] == [answer["path"] for answer in answers]
    for row, answer in zip(rows, answers, strict=True):
        for label in LABELS:
            expected = answer["probabilities"].get(label, "")
            assert row[label] == str(expected)


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C after the first answer."""

    def predict_many(model, sources, **_):
        yield model.predict(next(iter(sources)))
        raise KeyboardInterrupt

    monkeypatch.setattr("sottovoce.models.model.Model.predict_many", predict_many)


@pytest.mark.usefixtures("interrupted")
def test_an_interruption_leaves_what_was_answered(predict, folder):
    target = folder / "out.csv"
    status, out, err = predict(folder / "voice.wav", folder / "silent.wav")
    assert (status, err) == (130, "")
    assert "1 recording: 1 judged" in out
    assert predict("--csv", target, folder / "voice.wav", folder / "silent.wav") == (130, "", "")
    _, row = target.read_text().splitlines()
    assert row.startswith(f"{folder / 'voice.wav'},,ok,")


def test_a_row_is_in_the_file_before_the_next_is_there(predict, folder, monkeypatch):
    target = folder / "out.csv"
    seen = []

    def predict_many(model, sources, **_):
        for source in sources:
            seen.append(len(target.read_text().splitlines()))
            yield model.predict(source)

    monkeypatch.setattr("sottovoce.models.model.Model.predict_many", predict_many)
    predict("--csv", target, folder)
    assert seen == [1, 2, 3]


def test_csv_that_cannot_be_written_is_one_line(predict, folder):
    status, out, err = predict("--csv", folder, folder / "voice.wav")
    assert (status, out) == (2, "")
    assert err.startswith(f"sottovoce: {folder}: cannot be written")
    assert err.count("\n") == 1


def test_csv_and_json_go_together(predict, folder):
    _, out, _ = predict("--csv", folder / "o.csv", "--json", folder / "voice.wav")
    assert json.loads(out)["status"] == "ok"
    assert len((folder / "o.csv").read_text().splitlines()) == 2


def test_a_folder_gives_its_audio_to_the_bottom_in_order(predict_json, folder):
    status, answers, _ = predict_json(folder)
    expected = [folder / "deeper/voice.WAV", folder / "silent.wav", folder / "voice.wav"]
    assert [answer["path"] for answer in answers] == list(map(str, expected))
    assert status == 0


def test_a_pattern_that_the_shell_left_is_filled_in(predict_json, folder):
    _, answers, _ = predict_json(folder / "*.wav")
    assert [Path(a["path"]).name for a in answers] == ["silent.wav", "voice.wav"]
    _, answers, _ = predict_json(f"{folder}/**/*.WAV")
    assert [Path(a["path"]).name for a in answers] == ["voice.WAV"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(predict_json, folder):
    odd = folder / "take [1]*.wav"
    shutil.copy(VOICE, odd)
    status, (answer,), _ = predict_json(odd)
    assert (status, answer["path"]) == (0, str(odd))


def test_a_pattern_without_a_match_is_one_answer(predict_json, folder):
    status, answers, _ = predict_json(folder / "*.opus", folder / "voice.wav")
    assert [answer["status"] for answer in answers] == ["error", "ok"]
    assert "no file matches" in answers[0]["message"]
    assert status == 1


def test_standard_input_is_one_recording(predict_json, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(VOICE.read_bytes())))
    status, (answer,), _ = predict_json("-")
    assert (status, answer["status"], answer["path"]) == (0, "ok", "-")


def test_standard_input_that_is_no_recording_is_one_answer(predict_json, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"hello")))
    status, (answer,), _ = predict_json("-")
    assert (status, answer["status"]) == (1, "error")
    assert answer["message"].startswith("-: ")


def test_standard_input_can_be_named_once(predict):
    status, _, err = predict("-", "-")
    assert status == 2
    assert "once" in err


def test_what_failed_is_said_on_stderr_below_the_table(predict, folder):
    status, out, err = predict(folder / "notes.txt", folder / "voice.wav")
    assert status == 1
    assert "1 judged, 1 could not be read" in out
    assert err.startswith(f"sottovoce: {folder / 'notes.txt'}: ")
    assert err.count("\n") == 1


def test_gate_options_reach_the_gate(predict_json, folder):
    voice = folder / "voice.wav"
    for options, status in (
        (["--min-duration", "9"], "too_short"),
        (["--silence-rms", "0.99"], "silence"),
        (["--min-speech", "30"], "no_speech"),
        (["--speech-threshold", "1"], "no_speech"),
        (["--min-confidence", "1"], "uncertain"),
    ):
        _, (answer,), _ = predict_json(*options, voice)
        assert answer["status"] == status


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--min-confidence", "2", "a.wav"],
        ["--min-duration", "-1", "a.wav"],
        ["--speech-threshold", "7", "a.wav"],
        ["--workers", "0", "a.wav"],
        ["--nonsense", "a.wav"],
    ],
)
def test_wrong_usage_is_status_2(predict, wrong):
    status, out, err = predict(*wrong)
    assert (status, out) == (2, "")
    assert err
    assert "Traceback" not in err


def test_an_unknown_model_is_one_line_and_lists_the_known(capfd):
    assert run(["predict", "--model", "nobody", str(VOICE)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("sottovoce: no model is called 'nobody'; known: ")
    assert err.count("\n") == 1


def test_workers_do_not_change_the_answers(predict_json, folder):
    assert predict_json("--workers", 1, folder) == predict_json("--workers", 3, folder)


def test_help_has_examples(capfd):
    assert run(["predict", "--help"]) == 0
    assert "sottovoce predict interview.wav" in capfd.readouterr().out


def test_a_reader_that_leaves_early_is_no_traceback(tiny, folder):
    """As in `sottovoce predict --json ... | head -1`, here with a reader that never reads."""
    read, write = os.pipe()
    os.close(read)
    code = "from sottovoce.cli import main; main()"
    arguments = ["predict", "--json", "--model", str(tiny), str(folder)]
    with os.fdopen(write, "wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["=cmd.wav", "-x.wav", "@sum.wav", "+1.wav"])
def test_names_are_no_formulas_in_csv_unless_wanted(predict, tmp_path, monkeypatch, name):
    shutil.copy(VOICE, tmp_path / name)
    monkeypatch.chdir(tmp_path)

    def first_cell(*options):
        assert predict("--csv", "o.csv", *options, "--", name)[0] == 0
        with (tmp_path / "o.csv").open(newline="") as file:
            return next(csv.DictReader(file))["path"]

    assert first_cell() == f"'{name}"
    assert first_cell("--raw-csv") == name


def test_names_do_not_steer_the_terminal(predict, tmp_path):
    shutil.copy(VOICE, tmp_path / "red\x1b[31m\x9b2J.wav")
    (tmp_path / "broken\x1b]0;title\x07.wav").write_text("no sound")
    for options in ([], ["--json"]):
        _, out, err = predict(*options, tmp_path)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", out + err)
        assert "title" in out + err
