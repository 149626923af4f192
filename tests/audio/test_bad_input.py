"""What bad input gets: the right status or one clear line, and the rest of the call goes on.

Every bad file stands between two good ones, in one call of the command line.
"""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import VOICE, tiny_card, write_tiny

from sottovoce.audio import Audio
from sottovoce.cli import run
from sottovoce.models.card import WindowPolicy

RATE = 48_000


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A model that hears whole recordings, in pieces of up to 30 s."""
    window = WindowPolicy(trim="none", margin=0, grid=0.5, min=0.5, max=30)
    folder = tmp_path_factory.mktemp("model")
    return write_tiny(folder / "tiny.onnx", card=tiny_card(window=window))


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return Audio.read(VOICE, sample_rate=RATE).samples[0]


def wav_header(data_bytes: int, *, channels: int = 1, rate: int = 16_000) -> bytes:
    """The head of a 16-bit wav whose data chunk is said to have `data_bytes`."""
    layout = struct.pack("<HHIIHH", 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    head = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout
    sizes = struct.pack("<I", min(data_bytes + 36, 2**32 - 1)), struct.pack("<I", data_bytes)
    return b"RIFF" + sizes[0] + head + b"data" + sizes[1]


def judged(tiny: Path, bad: Path, capfd) -> tuple[int, dict]:
    """Exit status and answer for `bad`, which stands between two good recordings."""
    arguments = ["--model", str(tiny), "--json", str(VOICE), os.fspath(bad), str(VOICE)]
    status = run(["predict", *arguments])
    out, err = capfd.readouterr()
    assert err == ""
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answers[0]["status"], answers[-1]["status"]] == ["ok", "ok"]
    assert len(answers) == 3
    return status, answers[1]


def expect_error(tiny: Path, bad: Path, capfd, *words: str) -> None:
    status, answer = judged(tiny, bad, capfd)
    assert (status, answer["status"]) == (1, "error")
    assert "\n" not in answer["message"]
    for word in words:
        assert word in answer["message"]


def expect(tiny: Path, file: Path, capfd, wanted: str, seconds: float) -> None:
    status, answer = judged(tiny, file, capfd)
    assert (status, answer["status"]) == (0, wanted)
    assert answer["duration"] == pytest.approx(seconds, abs=0.01)


# -- files that are no recordings ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"Dear diary, today I was happy.\n" * 40, "not a recording"),
        (wav_header(0)[:20], "not a recording"),
        (bytes(4096), "not a recording"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "not a recording"),
    ],
    ids=["empty", "text", "cut in the header", "zero bytes", "a picture"],
)
def test_what_is_no_recording_is_said_to_be_none(tiny, tmp_path, capfd, content, word):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(content)
    expect_error(tiny, bad, capfd, str(bad), word)


def test_a_path_that_is_not_there(tiny, tmp_path, capfd):
    expect_error(tiny, tmp_path / "absent.wav", capfd, "absent.wav", "no such file")


def test_a_folder_without_audio(tiny, tmp_path, capfd):
    (tmp_path / "notes.txt").write_text("nothing here")
    expect_error(tiny, tmp_path, capfd, str(tmp_path), "a folder without audio")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the superuser")
def test_no_permission(tiny, tmp_path, capfd):
    bad = tmp_path / "secret.wav"
    bad.write_bytes(VOICE.read_bytes())
    bad.chmod(0)
    expect_error(tiny, bad, capfd, "permission denied")


def test_no_permission_as_the_system_says_it(tiny, tmp_path, capfd, monkeypatch):
    bad = tmp_path / "secret.wav"
    bad.write_bytes(VOICE.read_bytes())
    opened = Path.open

    def refuse(path, *args, **options):
        if path.name == bad.name:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    expect_error(tiny, bad, capfd, "permission denied")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tiny, tmp_path, capfd, voice, value):
    bad = tmp_path / "bad.wav"
    broken = voice.copy()
    broken[[777, 9000]] = value
    soundfile.write(bad, broken, RATE, subtype="FLOAT")
    expect_error(tiny, bad, capfd, "2 samples are NaN or infinite", "first at sample 777")


# -- recordings with nothing to judge --------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "status"),
    [
        (np.zeros(0), "too_short"),
        (np.zeros(RATE // 10), "too_short"),
        (np.zeros(2 * RATE), "silence"),
        (np.full(2 * RATE, 0.5), "silence"),
        (np.full(2 * RATE, -1.0), "silence"),
    ],
    ids=["zero length", "0.1 s", "zeros", "an offset", "a stuck converter"],
)
def test_nothing_to_judge(tiny, tmp_path, capfd, samples, status):
    file = tmp_path / "nothing.wav"
    soundfile.write(file, samples, RATE)
    expect(tiny, file, capfd, status, len(samples) / RATE)


def test_a_tenth_of_a_second_of_speech_is_too_short(tiny, tmp_path, capfd, voice):
    file = tmp_path / "short.wav"
    soundfile.write(file, voice[RATE // 2 : RATE // 2 + RATE // 10], RATE)
    expect(tiny, file, capfd, "too_short", 0.1)


def test_noise_has_no_speech(tiny, tmp_path, capfd):
    file = tmp_path / "noise.wav"
    soundfile.write(file, np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    expect(tiny, file, capfd, "no_speech", 3)


# -- odd recordings that can be judged -------------------------------------------------------------


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW"])
def test_every_sample_format(tiny, tmp_path, capfd, voice, subtype):
    file = tmp_path / "voice.wav"
    soundfile.write(file, voice, RATE, subtype=subtype)
    expect(tiny, file, capfd, "ok", len(voice) / RATE)


def test_seven_channels(tiny, tmp_path, capfd, voice):
    file = tmp_path / "voice.wav"
    soundfile.write(file, np.repeat(voice[:, None], 7, axis=1), RATE)
    expect(tiny, file, capfd, "ok", len(voice) / RATE)


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_low_and_high_rates(tiny, tmp_path, capfd, rate):
    file = tmp_path / "voice.wav"
    samples = Audio.read(VOICE, sample_rate=rate).samples[0]
    soundfile.write(file, samples, rate)
    expect(tiny, file, capfd, "ok", len(samples) / rate)


def test_a_wav_cut_short_is_judged_by_what_is_there(tiny, tmp_path, capfd, voice):
    whole, cut = tmp_path / "whole.wav", tmp_path / "cut.wav"
    soundfile.write(whole, voice, RATE)
    cut.write_bytes(whole.read_bytes()[: 44 + 2 * 2 * RATE])
    expect(tiny, cut, capfd, "ok", 2)


def test_a_header_that_lies_about_its_length_needs_no_memory(tiny, tmp_path, capfd):
    samples = Audio.read(VOICE, sample_rate=16_000).samples[0]
    file = tmp_path / "liar.wav"
    content = (samples * 32767).astype("<i2").tobytes()
    file.write_bytes(wav_header(2**32 - 50) + content)
    expect(tiny, file, capfd, "ok", len(samples) / 16_000)


def test_samples_beyond_all_bounds(tiny, tmp_path, capfd, voice):
    file = tmp_path / "huge.wav"
    soundfile.write(file, voice * np.float32(1e30), RATE, subtype="FLOAT")
    expect_error(tiny, file, capfd, "huge.wav", "scale them to -1..1")


def test_two_hours(tiny, tmp_path, capfd, voice):
    file = tmp_path / "long.wav"
    low = Audio.read(VOICE, sample_rate=8000).samples[0]
    with soundfile.SoundFile(file, "w", 8000, 1, "PCM_U8") as sound:
        sound.write(low)
        for _ in range(120):
            sound.write(np.zeros(60 * 8000, np.float32))
        sound.write(low)
    status, answer = judged(tiny, file, capfd)
    assert (status, answer["status"]) == (0, "ok")
    assert answer["duration"] == pytest.approx(7200 + 2 * len(low) / 8000, abs=0.01)


# -- odd names -------------------------------------------------------------------------------------


ODD_NAMES = (
    "with blanks .wav",
    "\"double\" 'single'.wav",
    "two\nlines.wav",
    "[bold]red[!].wav",
    "ä 音.wav",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_come_back_as_they_are(tiny, tmp_path, capfd, name):
    file = tmp_path / name
    file.write_bytes(VOICE.read_bytes())
    status, answer = judged(tiny, file, capfd)
    assert (status, answer["status"], answer["path"]) == (0, "ok", str(file))


def test_a_name_of_bytes_that_are_no_utf_8(tiny, tmp_path, capfd):
    file = tmp_path / os.fsdecode(b"caf\xe9.wav")
    try:
        file.write_bytes(VOICE.read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    status, answer = judged(tiny, file, capfd)
    assert (status, answer["status"]) == (0, "ok")
    assert answer["path"] == f"{tmp_path}/caf\\udce9.wav"


def test_odd_names_stay_on_one_line_of_the_table(tiny, tmp_path, capfd):
    names = [
        "two\nlines.wav",
        "esc\x1b[31m.wav",
        "[bold]red[!].wav",
        os.fsdecode(b"caf\xe9.wav"),
    ]
    for name in names:
        (tmp_path / name).write_bytes(VOICE.read_bytes())
    assert run(["predict", "--model", str(tiny), str(tmp_path)]) == 0
    out = capfd.readouterr().out
    assert len(out.splitlines()) == len(names) + 3
    for shown in ("two\\nlines.wav", "esc\\x1b[31m.wav", "[bold]red[!].wav", "caf\\udce9.wav"):
        assert f"{tmp_path}/{shown}" in out


# -- model files -----------------------------------------------------------------------------------


def refused(model: Path, capfd) -> str:
    assert run(["predict", "--model", str(model), str(VOICE)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"sottovoce: {model}: ")
    assert err.count("\n") == 1
    return err


def test_a_model_cut_short(tiny, tmp_path, capfd):
    bad = tmp_path / "cut.onnx"
    content = tiny.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        bad.write_bytes(content[:length])
        refused(bad, capfd)


def test_a_model_that_was_edited(tiny, tmp_path, capfd):
    bad = tmp_path / "edited.onnx"
    bad.write_bytes(tiny.read_bytes().replace(b'"angry"', b'"gleey"'))
    assert "changed after its export" in refused(bad, capfd)


def test_a_recording_given_as_the_model(capfd):
    assert "not an ONNX file" in refused(VOICE, capfd)


def test_a_folder_given_as_the_model(tmp_path, capfd):
    assert "cannot be read" in refused(tmp_path, capfd)
