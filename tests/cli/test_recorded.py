"""What the commands say of a real recording, as it was recorded before the code was rearranged.

Words, keys, order and rounding must be the same; a figure that is not rounded may differ in its
last digits, as another processor's arithmetic does.
"""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from sottovoce.cli import run

RECORDED = Path(__file__).parents[1] / "recorded"
SAMPLES = Path(__file__).parents[2] / "samples"
MODEL = ("--model", str(Path(__file__).parents[2] / "models" / "ravdess8-tcn.onnx"))
"""The model that was recorded."""
RATE = 16_000
CLIPS = (
    "librispeech/103-1240-0000.ogg",
    "ravdess/Actor_05/03-01-05-02-01-01-05.flac",
    "librispeech/1034-121119-0000.ogg",
    "ravdess/Actor_10/03-01-04-02-01-01-10.flac",
    "ravdess/Actor_07/03-01-03-02-02-01-07.flac",
)
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
ROUNDED = 6
"""Decimals up to which a number is rounded, so that all of them must be the same."""

TIMELINE = ("timeline", "real.wav", "--json")
STREAM = ("listen", "--simulate", "real.wav", "--speed", "1000", "--json")
COMMANDS = {
    "predict.jsonl": [("predict", "samples", "--json")],
    "predict.txt": [("predict", "real.wav", "samples")],
    "timeline.txt": [("timeline", "real.wav")],
    "timeline.jsonl": [
        TIMELINE,
        (*TIMELINE, "--channels", "split", "--smoothing", "mean", "--hop", "0.5"),
        (*TIMELINE, *("--window", "2", "--hold", "0", "--smoothing", "off", "--lookahead", "0.5")),
    ],
    "stream.jsonl": [
        STREAM,
        (*STREAM, "--channels", "split"),
        (*STREAM, "--hop", "0.7", "--lookahead", "2"),
    ],
}
"""Recorded output -> the commands that print it, one after another."""


@pytest.fixture(scope="module")
def recording(corpora, tmp_path_factory):
    """A folder with the samples and real.wav: five voices with pauses, in two channels."""
    parts = []
    for name in CLIPS:
        samples, rate = soundfile.read(corpora / name, dtype="float32", always_2d=True)
        parts += [soxr.resample(samples.mean(axis=1), rate, RATE), np.zeros(8000, np.float32)]
    voices = np.concatenate(parts)
    folder = tmp_path_factory.mktemp("recording")
    both = np.stack([voices, 0.5 * voices[::-1]], axis=1)
    soundfile.write(folder / "real.wav", both, RATE, subtype="PCM_16")
    shutil.copytree(SAMPLES, folder / "samples")
    return folder


def same(found, name):
    """Hold a text against the recorded one of that name."""
    expected = (RECORDED / name).read_bytes().decode()
    assert NUMBER.split(found) == NUMBER.split(expected)
    numbers = zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True)
    for number, recorded in numbers:
        if len(recorded.partition(".")[2]) <= ROUNDED:
            assert number == recorded
        else:
            assert float(number) == pytest.approx(float(recorded), abs=1e-4)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_printed_is_as_it_was(name, recording, monkeypatch, capfd):
    monkeypatch.chdir(recording)
    for command in COMMANDS[name]:
        assert run([*command, *MODEL]) == 0
    same(capfd.readouterr().out, name)


def test_the_files_of_predictions_are_as_they_were(recording, monkeypatch):
    monkeypatch.chdir(recording)
    assert run(["predict", "samples", "--csv", "predict.csv", *MODEL]) == 0
    same((recording / "predict.csv").read_bytes().decode(), "predict.csv")


def test_the_files_of_a_timeline_are_as_they_were(recording, monkeypatch):
    monkeypatch.chdir(recording)
    files = {
        "--csv": "timeline.csv",
        "--subtitles": "timeline.vtt",
        "--textgrid": "timeline.TextGrid",
        "--audacity": "audacity.txt",
    }
    words = [word for pair in files.items() for word in pair]
    assert run(["timeline", "real.wav", *words, *MODEL]) == 0
    for name in files.values():
        same((recording / name).read_bytes().decode(), name)
