"""The parts of the app below its pages: pictures, bounds, the library, the command."""

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny_model import VOICE, tiny_card, write_tiny

from sottovoce.audio import Audio
from sottovoce.cli import run
from sottovoce.errors import AudioError, install_line
from sottovoce.models.model import Model
from sottovoce.models.registry import FOLDER_VARIABLE

pytest.importorskip("streamlit", reason="the app needs the extra app")

from sottovoce.app import library, recordings, settings, spectrogram


def test_the_app_starts_without_torch() -> None:
    code = "import sys, sottovoce.app.main; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_spectrogram_is_librosas(tmp_path: Path) -> None:
    librosa = pytest.importorskip("librosa")
    audio = Audio.read(VOICE, sample_rate=16_000)
    expected = librosa.feature.melspectrogram(
        y=audio.samples[0],
        sr=16_000,
        n_fft=1024,
        hop_length=256,
        n_mels=96,
        fmax=8000.0,
        norm=None,
        pad_mode="constant",
    )
    expected = librosa.power_to_db(expected, ref=np.max, top_db=None)

    found = spectrogram.log_mel(audio)

    frames = min(found.shape[1], expected.shape[1])
    filled = (expected > -60).nonzero()
    assert found.shape[0] == 96
    both = filled[1] < frames
    rows, columns = filled[0][both], filled[1][both]
    off = np.abs(found[rows, columns] - expected[rows, columns])
    assert np.median(off) < 0.01
    assert np.quantile(off, 0.99) < 0.1


def test_an_outline_holds_every_sample_between_its_lines() -> None:
    audio = Audio.read(VOICE)
    times, low, high = spectrogram.outline(audio, columns=50)

    assert low.min() == audio.samples.min()
    assert high.max() == audio.samples.max()
    assert (low <= high).all()
    assert times[0] == 0
    assert times[-1] < audio.duration


def test_a_recording_beyond_the_bound_is_refused_before_it_is_decoded_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MOST_SECONDS", 3.0)
    data = VOICE.read_bytes()
    with pytest.raises(AudioError, match=r"voice\.wav: longer than 0\.05 minutes"):
        recordings.read(data, "voice.wav")
    monkeypatch.setattr(recordings, "MOST_SECONDS", 4.0)
    assert np.array_equal(recordings.read(data, "voice.wav").samples, Audio.read(data).samples)


def test_files_beyond_the_bounds_are_left_out_and_the_same_one_is_taken_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class File:
        def __init__(self, data: bytes) -> None:
            self.name, self.data = "a.wav", data

        def getvalue(self) -> bytes:
            return self.data

    monkeypatch.setattr(recordings, "MOST_FILES", 3)
    monkeypatch.setattr(recordings, "MOST_BYTES", 20)
    kept, said = recordings.given([File(b"one"), File(b"one"), File(b"x" * 18), File(b"two")])
    assert [one.data for one in kept] == [b"one", b"two"]
    assert said.startswith("1 left out")


def test_a_recording_played_back_is_the_recording() -> None:
    audio = Audio.read(VOICE)
    again = Audio.read(recordings.wav(audio))
    assert again.sample_rate == audio.sample_rate
    assert np.allclose(again.samples, audio.samples, atol=2**-15)


def test_the_library_lists_every_folder_and_says_what_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, here = tmp_path / "own", tmp_path / "here"
    for folder in (own, here / "models"):
        folder.mkdir(parents=True)
        write_tiny(folder / "tiny.onnx")
    (own / "broken.onnx").write_bytes(b"nothing")
    monkeypatch.chdir(here)

    listed = library.entries(own)

    names = [entry.name for entry in listed]
    assert names[0] == "sottovoce-small"
    assert {"tiny (models)", f"tiny ({own})"} <= set(names)
    (broken,) = [entry for entry in listed if entry.card is None]
    assert broken.name == "broken"
    assert "not an ONNX file" in broken.problem
    assert "broken" not in library.usable(listed)


def listen(data: bytes, model: str | None = None) -> Any:
    """The page Listen once a recording was given and Predict pressed."""
    from streamlit.testing.v1 import AppTest

    from sottovoce.app import main

    page = AppTest.from_file(main.__file__, default_timeout=120)
    page.session_state["recordings"] = [recordings.Recording("voice.wav", data, "key")]
    page.session_state["predicted"] = ("key",)
    if model is not None:
        page.session_state["model"] = model
    page.run()
    assert not page.exception
    return page


def test_where_there_is_no_model_every_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(library, "available", dict)
    page = listen(VOICE.read_bytes())
    assert "There is no model that can be used" in page.error[0].value
    assert any("In the EU" in one.value for one in page.caption)


def test_a_model_that_hears_too_little_for_a_timeline_says_so_and_still_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = tiny_card().window.model_copy(update={"max": 2.0})
    write_tiny(tmp_path / "short.onnx", card=tiny_card(window=window, min_confidence=0.333))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    voice = Audio.read(VOICE)
    long = Audio(np.tile(voice.samples, 3), voice.sample_rate)
    page = listen(recordings.wav(long), "short")
    said = Model.open(tmp_path / "short.onnx").predict(long)
    assert str(said.emotion) in page.header[0].value.lower()
    assert "window is 3" in page.info[0].value
    assert page.session_state["choice"].min_confidence is None


@pytest.mark.usefixtures("whisper")
def test_the_whisper_model_answers_once_its_encoder_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert run(["encoder", "models/e-whisper.onnx"]) == 0
    page = listen(VOICE.read_bytes(), "e-whisper")
    said = Model.open("models/e-whisper.onnx").predict(VOICE)
    assert page.sidebar.selectbox[0].value == "e-whisper"
    assert str(said.emotion) in page.header[0].value.lower()


def test_settings_leave_alone_what_they_do_not_know() -> None:
    read = settings.settings(["--models", "here", "-q", "--model", "no"])
    assert read.models == Path("here")
    assert read.corrections == settings.CORRECTIONS


def test_the_command_refuses_what_cannot_work_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["app", "--models", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert run(["app", "--host", "0.0.0.0"]) == 2  # noqa: S104 - it is refused
    assert "add --open" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["app", "--port", str(port)]) == 2
    assert f"127.0.0.1:{port} cannot be listened on" in capsys.readouterr().err
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "streamlit" else find(name)
    )
    assert run(["app"]) == 2
    assert capsys.readouterr().err == (
        f"sottovoce: the app needs Streamlit; run: {install_line('app')}\n"
    )


def test_a_silent_recording_is_drawn_dark(tmp_path: Path) -> None:
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.random.default_rng(0).normal(0, 1e-5, 16_000), 16_000, "FLOAT")
    assert spectrogram.log_mel(Audio.read(silent)).max() < -30
