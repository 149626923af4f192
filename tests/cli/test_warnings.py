"""What was not heard of a recording is said by every command and in every form."""

import csv
import io
import json

import numpy as np
import pytest
import soundfile
import soxr
from tiny_model import RATE, VOICE, write_tiny

from sottovoce import Audio, Model
from sottovoce.cli import run
from sottovoce.results import Prediction, WarningCode


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture(scope="module")
def voice():
    return Audio.read(VOICE, sample_rate=RATE).samples[0]


@pytest.fixture
def damaged(tmp_path, voice):
    """12 s of MP3 with 2 kB of noise in the middle."""
    file = io.BytesIO()
    long = np.tile(voice[: 3 * RATE], 4)
    soundfile.write(file, long, RATE, format="MP3", bitrate_mode="CONSTANT", compression_level=0.5)
    content = bytearray(file.getvalue())
    middle = len(content) // 2
    content[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    path = tmp_path / "damaged.mp3"
    path.write_bytes(content)
    return path


def test_predict_says_it_in_json_csv_and_the_table(tiny, damaged, tmp_path, capfd):
    command = ["predict", "--model", str(tiny), str(damaged), str(VOICE)]
    assert run([*command, "--json"]) == 0
    first, second = map(json.loads, capfd.readouterr().out.splitlines())
    assert [warning["code"] for warning in first["warnings"]] == ["damaged"]
    assert first["warnings"][0]["message"].startswith("damaged at 0:0")
    assert first["warnings"][0]["at"] == pytest.approx(6, abs=0.5)
    assert first["duration"] > 11
    assert second["warnings"] == []
    assert run([*command, "--csv", str(tmp_path / "out.csv")]) == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["warnings"] for row in rows] == [first["warnings"][0]["message"], ""]
    assert run(command) == 0
    out = capfd.readouterr().out
    assert out.splitlines()[0].rstrip().endswith("but")
    assert first["warnings"][0]["message"] in out


def test_the_table_has_no_such_column_where_nothing_is_to_be_said(tiny, capfd):
    assert run(["predict", "--model", str(tiny), str(VOICE)]) == 0
    assert "but" not in capfd.readouterr().out


def test_a_prediction_with_warnings_comes_back_from_its_json(tiny, damaged):
    prediction = Model.open(tiny).predict(damaged)
    back = Prediction.from_dict(json.loads(prediction.to_json()))
    assert back.to_dict() == prediction.to_dict()
    assert [warning.code for warning in prediction.warnings] == [WarningCode.DAMAGED]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_timeline_and_listen_say_it_on_standard_error(tiny, damaged, capfd, form):
    assert run(["timeline", "--model", str(tiny), str(damaged), *form]) == 0
    assert f"sottovoce: {damaged}: damaged at 0:0" in capfd.readouterr().err


def test_listen_says_what_is_odd_about_the_sound(tiny, voice, tmp_path, capfd):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.clip(20 * voice, -1, 1), RATE)
    command = ["listen", "--model", str(tiny), "--simulate", str(path), "--speed", "1000"]
    assert run(command) == 0
    assert "sottovoce: clipped: " in capfd.readouterr().err


def test_a_timeline_s_summary_has_what_the_prediction_has(tiny, damaged):
    model = Model.open(tiny)
    with model.timeline(damaged) as timeline:
        for _ in timeline:
            pass
        assert timeline.summary().warnings == timeline.warnings
        assert timeline.warnings == model.predict(damaged).warnings


def test_file_timeline_and_stream_hear_the_same_where_channels_cancel(tiny, voice):
    model = Model.open(tiny)
    both = np.stack([voice, -voice])
    prediction = model.predict((both, RATE))
    assert prediction.status == "ok"
    assert [warning.code for warning in prediction.warnings] == [WarningCode.ANTIPHASE]
    whole = list(model.timeline((both, RATE), lookahead=0.3))
    stream = model.stream(RATE)
    pieces = [
        segment
        for start in range(0, voice.size, 777)
        for segment in stream.feed(both[:, start : start + 777])
    ]
    assert pieces + stream.finish() == whole
    assert stream.warnings == prediction.warnings
    assert any(segment.emotion for segment in whole)
    split = model.stream(RATE, channels="split")
    split.feed(both)
    split.finish()
    assert split.warnings == ()  # each channel is heard


def test_a_narrow_band_is_said_of_speech_alone(tiny, voice):
    model = Model.open(tiny)
    narrow = soxr.resample(voice, RATE, 8000)
    assert [w.code for w in model.predict((narrow, 8000)).warnings] == [WarningCode.NARROW_BAND]
    assert model.predict((voice, RATE)).warnings == ()
    silent = np.random.default_rng(0).normal(0, 1e-3, 24_000).astype(np.float32)
    assert model.predict((silent, 8000)).warnings == ()
    stream = model.stream(8000)
    stream.feed(silent)
    stream.finish()
    assert stream.summary().warnings == ()
