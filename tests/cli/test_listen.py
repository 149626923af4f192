"""`sottovoce listen`, to a file as if it were live and to a microphone that is played here."""

import io
import json
import re
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from rich.console import Console
from tiny_model import LABELS, RATE, VOICE, write_tiny

from sottovoce import Audio, Model
from sottovoce.cli import _microphone, _timeline_view, run
from sottovoce.errors import install_line
from sottovoce.results import Segment, Status

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def listen(tiny, capfd):
    """Run the command; gives (exit status, stdout, stderr)."""

    def call(*arguments):
        status = run(["listen", "--model", str(tiny), *map(str, arguments)])
        return status, *capfd.readouterr()

    return call


class PortAudioError(Exception):
    pass


class Stream:
    """An input of sounddevice that has the voice at once, and then is gone."""

    def __init__(self, device, samplerate, channels, dtype, blocksize, callback):
        assert dtype == "float32"
        self.callback, self.size, self.channels = callback, blocksize, channels
        self.active = False

    def __enter__(self):
        voice = Audio.read(VOICE, sample_rate=48_000).samples[0]
        block = np.empty((self.size, self.channels), np.float32)
        for start in range(0, voice.size, self.size):
            part = voice[start : start + self.size]
            block[: part.size] = part[:, None]
            self.callback(block[: part.size], part.size, None, None)
        block[:] = 99  # the buffer is PortAudio's again

    def __exit__(self, *_):
        pass


@pytest.fixture
def microphones(monkeypatch):
    """Two microphones and a loudspeaker."""
    devices = [
        {"index": 0, "name": "Loudspeaker", "max_input_channels": 0, "default_samplerate": 48e3},
        {"index": 1, "name": "Built-in [mic]", "max_input_channels": 1, "default_samplerate": 48e3},
        {"index": 2, "name": "USB", "max_input_channels": 8, "default_samplerate": 48e3},
    ]

    def query_devices(device=None, kind=None):
        if kind is None:
            return devices
        if device is None:
            return devices[1]
        found = [one for one in devices if device in (one["index"], one["name"])]
        if not found:
            raise ValueError(f"No input device matching {device!r}")
        return found[0]

    fake = SimpleNamespace(
        query_devices=query_devices, InputStream=Stream, PortAudioError=PortAudioError
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


# -- a file as if it were live ---------------------------------------------------------------------


def test_a_simulated_file_gives_the_segments_of_its_timeline(listen, tiny):
    status, out, err = listen("--simulate", VOICE, "--speed", 100, "--json")
    expected = [one.to_dict() for one in Model.open(tiny).timeline(VOICE, lookahead=0.3)]
    assert [json.loads(line) for line in out.splitlines()] == expected
    assert (status, err) == (0, "")


def test_without_a_terminal_there_is_a_line_a_segment_and_then_the_figures(listen):
    status, out, err = listen("--simulate", VOICE, "--speed", 100)
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert re.fullmatch(r"0:00 (perhaps )?\w+ \d+%", lines[0])
    assert [line[:4] for line in lines[:4]] == ["0:00", "0:01", "0:02", "0:03"]
    assert "judged of 3.4 s" in out


def test_a_simulated_file_takes_its_time(tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.arange(3 * RATE) / (4 * RATE), RATE, subtype="FLOAT")
    with _microphone.simulated(str(path), speed=10) as live:
        begun, blocks = time.monotonic(), []
        for block in live.blocks:
            blocks.append(block)
            heard = sum(one.shape[1] for one in blocks) / RATE
            assert time.monotonic() - begun >= heard / 10 - 0.001
    assert {one.shape for one in blocks} == {(1, RATE // 10)}
    expected = Audio.read(path).samples
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), expected)


def test_ctrl_c_ends_it_with_the_rest_and_the_figures(listen, monkeypatch):
    played = _microphone._paced

    def interrupted(*arguments):
        for count, block in enumerate(played(*arguments)):
            if count == 25:
                raise KeyboardInterrupt
            yield block

    monkeypatch.setattr(_microphone, "_paced", interrupted)
    status, out, err = listen("--simulate", VOICE, "--speed", 100)
    assert (status, err) == (0, "")
    assert "0:02 " in out
    assert "judged of 2.5 s" in out


# -- a microphone ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("microphones")
def test_the_microphone_is_heard_as_a_file_of_the_same(listen, tiny):
    status, out, err = listen("--json")
    voice = Audio.read(VOICE, sample_rate=48_000)
    expected = [one.to_dict() for one in Model.open(tiny).timeline(voice, lookahead=0.3)]
    assert [json.loads(line) for line in out.splitlines()] == expected
    assert (status, err) == (0, "")


@pytest.mark.usefixtures("microphones")
@pytest.mark.parametrize("device", ["2", "USB"])
def test_a_microphone_is_chosen_by_number_or_name_and_may_be_split(listen, device):
    _, out, _ = listen("--json", "--device", device, "--channels", "split")
    assert [json.loads(line)["channel"] for line in out.splitlines()] == [1, 2] * 4
    _, out, _ = listen("--json", "--channels", "split")  # the usual one has one channel
    assert {json.loads(line)["channel"] for line in out.splitlines()} == {1}


@pytest.mark.usefixtures("microphones")
def test_the_list_has_the_microphones_alone(listen):
    status, out, _ = listen("--list-devices")
    assert status == 0
    assert out.splitlines() == [
        "1  Built-in [mic] (1 channel, 48000 Hz, the usual one)",
        "2  USB (8 channels, 48000 Hz)",
    ]


@pytest.mark.usefixtures("microphones")
def test_what_comes_faster_than_it_can_be_heard_is_told(listen, monkeypatch):
    monkeypatch.setattr(_microphone, "QUEUE_BLOCKS", 20)
    status, out, err = listen()
    assert status == 0
    assert "judged of 2.0 s" in out
    assert err == (
        "sottovoce: 1.4 s were not heard, this computer is too slow; try a longer --hop\n"
    )


@pytest.mark.usefixtures("microphones")
def test_a_microphone_that_is_not_there_is_one_line(listen):
    status, out, err = listen("--device", "none such")
    assert (status, out) == (2, "")
    assert err == (
        "sottovoce: no microphone can be opened (No input device matching 'none such'); "
        "see: sottovoce listen --list-devices\n"
    )


def test_a_microphone_that_fails_to_open_is_one_line(listen, microphones, monkeypatch):
    def fail(**_):
        raise PortAudioError("Error opening InputStream:\nDevice unavailable [PaErrorCode -9985]")

    monkeypatch.setattr(microphones, "InputStream", fail)
    status, out, err = listen()
    assert (status, out) == (2, "")
    assert "Device unavailable" in err
    assert err.count("\n") == 1


def test_no_microphone_at_all_is_one_line(listen, microphones, monkeypatch):
    def nothing(device=None, kind=None):
        if kind is None:
            return []
        raise PortAudioError("Error querying device -1")

    monkeypatch.setattr(microphones, "query_devices", nothing)
    status, _, err = listen()
    assert status == 2
    assert err.startswith("sottovoce: no microphone can be opened (Error querying device -1)")
    assert listen("--list-devices")[1] == "There is no microphone.\n"


def test_without_sounddevice_the_install_line_is_given(listen, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    for arguments in ([], ["--list-devices"]):
        status, out, err = listen(*arguments)
        assert (status, out) == (2, "")
        assert err == (
            f"sottovoce: the microphone needs sounddevice; run: {install_line('microphone')}\n"
        )


def test_without_portaudio_one_line_says_so(listen, monkeypatch):
    def fail(name):
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(_microphone, "import_module", fail)
    status, _, err = listen()
    assert status == 2
    assert "PortAudio library not found" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--simulate", "nowhere.wav"], "nowhere.wav: no such file"),
        (["--simulate", str(VOICE), "--hop", "0"], "hop is 0.0 s"),
        (["--simulate", str(VOICE), "--window", "9"], "to 6 s, what tiny 1.0 hears at once"),
        (["--simulate", str(VOICE), "--speed", "0"], "speed"),
        (["--smoothing", "much"], "smoothing"),
    ],
)
def test_what_cannot_be_done_is_said(listen, arguments, why):
    status, out, err = listen(*arguments)
    assert (status, out) == (2, "")
    assert why in err
    assert "Traceback" not in err


# -- the screen ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 100])
def test_the_screen_shows_level_emotion_and_the_last_minute_and_then_goes_away(width):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, height=40)
    strip = _timeline_view.Strip(LABELS)
    with _timeline_view.live_screen(console, strip, LABELS, "the microphone") as show:
        for start in range(300):
            one = Segment(
                start=start,
                end=start + 1,
                status=Status.OK,
                emotion="happy",
                confidence=0.8,
                probabilities={"happy": 0.8, "sad": 0.2},
            )
            strip.add(one)
            show([one], np.full((1, 1600), 0.5, np.float32))
        console.file = shown = io.StringIO()
        show([], None)
        deadline = time.monotonic() + 20
        while "happy 80%" not in ESCAPES.sub("", shown.getvalue()) and time.monotonic() < deadline:
            time.sleep(0.01)  # it is drawn ten times a second, in a thread of its own
        drawn = [ESCAPES.sub("", line) for line in re.split(r"[\r\n]+", shown.getvalue())]
    assert max(map(len, drawn)) <= width
    text = "\n".join(drawn)
    assert "Listening to the microphone" in text
    assert "-6 dB" in text
    assert "happy 80%" in text
    assert "HHHHHHHHHH" in text
    assert "|4:" in text
    assert "|0:00" not in text


def test_the_level_is_in_decibels_of_full_scale():
    assert _timeline_view.decibels(np.ones((2, 100), np.float32)) == pytest.approx(0)
    assert _timeline_view.decibels(np.full((1, 100), 0.1, np.float32)) == pytest.approx(
        -20, abs=0.01
    )
    assert _timeline_view.decibels(np.zeros((1, 100), np.float32)) == _timeline_view.QUIETEST
    assert _timeline_view.decibels(np.zeros((1, 0), np.float32)) == _timeline_view.QUIETEST
    for level, filled in ((0, 20), (-30, 10), (-60, 0)):
        assert _timeline_view.meter(level, True).plain.count("█") == filled


@pytest.mark.parametrize("status", [one for one in Status if one not in ("ok", "uncertain")])
def test_every_status_without_an_emotion_has_words(status):
    words = _timeline_view._words(Segment(start=0, end=1, status=status))
    assert words.plain
