"""Audio: whatever holds a recording is decoded right, and whatever does not says so in one line."""

import io
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sottovoce.audio import Audio
from sottovoce.errors import AudioError, MissingExtraError, install_line
from sottovoce.text import display_path

RATE = 16_000


def tone(seconds: float = 1.0, rate: int = RATE, hz: float = 220.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def encoded(samples: np.ndarray, rate: int = RATE, kind: str = "WAV", coding: str = "") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=coding or None)
    return file.getvalue()


def media(container: str, codec: str, samples: np.ndarray, rate: int) -> bytes:
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        fifo.write(frame)
        while part := fifo.read(stream.codec_context.frame_size or 960, partial=True):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation at the best lag, for codings that delay a little."""
    size = min(a.size, b.size)
    a, b = a[:size], b[:size]
    spectrum = np.fft.rfft(a, 2 * size) * np.conj(np.fft.rfft(b, 2 * size))
    return float(np.fft.irfft(spectrum).max() / (np.linalg.norm(a) * np.linalg.norm(b)))


# What an array becomes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([-32768, 0, 16384], np.int16), [-1, 0, 0.5]),
        (np.array([-(2**31), 0, 2**30], np.int32), [-1, 0, 0.5]),
        (np.array([-128, 0, 64], np.int8), [-1, 0, 0.5]),
        (np.array([0, 128, 192], np.uint8), [-1, 0, 0.5]),
        (np.array([-1.5, 0, 0.5]), [-1.5, 0, 0.5]),
    ],
)
def test_integers_are_scaled_to_full_scale_and_floats_kept(values, expected) -> None:
    audio = Audio(values, RATE)
    assert audio.samples.dtype == np.float32
    assert audio.samples.tolist() == [expected]


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((2, 2, 2)),
        np.float32(1),
        np.zeros((16_000, 65)),
        np.zeros((0, 100)),
        np.zeros(8, complex),
        np.zeros(8, np.int64),
        np.zeros(8, bool),
        np.array(["a"]),
    ],
)
def test_an_array_that_is_no_recording_is_refused(samples) -> None:
    with pytest.raises(AudioError, match="expected"):
        Audio(samples, RATE)


@pytest.mark.parametrize("rate", [0, -16_000, 1, 16_000.5, 10**9, float("nan"), "16000", None])
def test_a_rate_that_is_no_rate_is_refused(rate) -> None:
    with pytest.raises(AudioError, match="sample rate"):
        Audio(np.zeros(8), rate)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_numbers_that_are_not_finite_are_counted_and_placed(value: float) -> None:
    samples = np.zeros((2, 100))
    samples[1, [40, 60]] = value
    with pytest.raises(AudioError, match="2 samples are NaN or infinite, the first at sample 40"):
        Audio(samples, RATE)


def test_infinities_that_would_cancel_are_seen_too() -> None:
    with pytest.raises(AudioError, match="2 samples"):
        Audio(np.array([np.inf, -np.inf]), RATE)


def test_level_knows_no_offset() -> None:
    assert Audio(tone() + 0.5, RATE).rms == pytest.approx(0.3 / np.sqrt(2), rel=1e-3)
    assert Audio(np.full(1000, 0.7), RATE).rms < 1e-6
    assert Audio(np.zeros(0), RATE).rms == 0.0


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(0, 300)),
               elements=st.floats(-1, 1, width=32)),
    st.floats(-1, 1),
    st.floats(-1, 1),
)  # fmt: skip
def test_crop_is_a_slice_of_the_recording(samples: np.ndarray, start: float, end: float) -> None:
    audio = Audio(samples, 1000)
    cut = audio.crop(start, end)
    first, last = (round(min(max(s, 0), samples.shape[1] / 1000) * 1000) for s in (start, end))
    np.testing.assert_array_equal(cut.samples, samples[:, first : max(first, last)])


def test_split_and_mono_are_the_channels_and_their_mean() -> None:
    samples = np.stack([tone(hz=220), tone(hz=330)])
    left, right = Audio(samples, RATE).split()
    np.testing.assert_array_equal(left.samples[0], samples[0])
    np.testing.assert_array_equal(right.samples[0], samples[1])
    np.testing.assert_allclose(Audio(samples, RATE).mono().samples[0], samples.mean(0), atol=1e-7)


# Resampling


@pytest.mark.parametrize(("rate", "target"), [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000)])
def test_block_by_block_resampling_is_soxr_in_one_go(rate: int, target: int) -> None:
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, (200_001, 2)).astype(np.float32)
    expected = soxr.resample(samples, rate, target, quality="HQ").T
    file = encoded(samples, rate, coding="FLOAT")
    read = Audio.read(file, sample_rate=target, mono=False).samples
    np.testing.assert_allclose(read, expected, atol=1e-5)
    np.testing.assert_allclose(Audio(samples.T, rate).resample(target).samples, expected, atol=1e-5)
    assert abs(read.shape[1] - samples.shape[0] * target / rate) <= 1


def test_a_tone_above_the_new_band_is_gone() -> None:
    low, high = tone(rate=48_000, hz=1_000), tone(rate=48_000, hz=12_000)
    assert Audio(low, 48_000).resample(RATE).rms == pytest.approx(0.3 / np.sqrt(2), rel=0.01)
    assert Audio(high, 48_000).resample(RATE).crop(0.1, 0.9).rms < 1e-4


# Files


@pytest.mark.parametrize(
    ("kind", "coding", "tolerance"),
    [
        ("WAV", "PCM_U8", 1 / 128),
        ("WAV", "PCM_16", 1 / 32_768),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-7),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 1e-7),
        ("FLAC", "PCM_16", 1 / 32_768),
        ("AIFF", "PCM_24", 1e-6),
    ],
)
def test_codings_without_loss_give_the_samples_back(kind, coding, tolerance) -> None:
    samples = tone(5)  # more than one block
    read = Audio.read(encoded(samples, kind=kind, coding=coding))
    assert read.sample_rate == RATE
    np.testing.assert_allclose(read.samples[0], samples, atol=tolerance)


@pytest.mark.parametrize(("kind", "coding"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "")])
def test_codings_with_loss_give_nearly_the_samples_back(kind: str, coding: str) -> None:
    samples = tone(5, 48_000) * np.hanning(240_000).astype("f4")
    read = Audio.read(encoded(samples, 48_000, kind=kind, coding=coding))
    assert read.duration == pytest.approx(5, abs=0.1)
    assert likeness(read.samples[0], samples) > 0.99


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("mp4", "aac", 44_100), ("ipod", "aac", 16_000), ("webm", "libopus", 48_000)],
)
def test_m4a_mp4_and_webm_come_through_pyav(container: str, codec: str, rate: int) -> None:
    samples = tone(2, rate) * np.hanning(2 * rate).astype("f4")
    read = Audio.read(media(container, codec, samples, rate))
    assert read.sample_rate == rate
    assert read.duration == pytest.approx(2, abs=0.2)
    assert likeness(read.samples[0], samples) > 0.99


def test_without_pyav_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=re.escape(install_line("media"))):
        Audio.read(b"\0\0\0\x20ftypM4A " + bytes(100))


def test_an_mp4_cut_short_says_so() -> None:
    whole = media("mp4", "aac", tone(2), RATE)
    with pytest.raises(AudioError, match="cut short"):
        Audio.read(whole[: len(whole) // 2])


def test_a_codec_that_is_not_known_is_named_as_the_reason() -> None:
    whole = media("mp4", "aac", tone(), RATE)
    with pytest.raises(AudioError, match="in a codec that is not known here; convert it"):
        Audio.read(whole.replace(b"stsd", b"none"))  # what describes the sound


def test_seven_channels_are_kept_or_mixed() -> None:
    samples = np.stack([tone(hz=100 * (i + 1)) for i in range(7)])
    file = encoded(samples.T, coding="FLOAT")
    np.testing.assert_array_equal(Audio.read(file, mono=False).samples, samples)
    np.testing.assert_allclose(Audio.read(file).samples[0], samples.mean(0), atol=1e-7)


@pytest.mark.parametrize("rate", [8_000, 11_025, 192_000])
def test_any_usual_rate_becomes_the_rate_asked_for(rate: int) -> None:
    read = Audio.read(encoded(tone(1, rate), rate), sample_rate=RATE)
    assert read.sample_rate == RATE
    assert read.samples.shape == (1, RATE)
    assert read.rms == pytest.approx(0.3 / np.sqrt(2), rel=0.02)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # librosa imports aifc
def test_real_speech_reads_as_librosa_reads_it(ravdess: Path) -> None:
    import librosa

    path = sorted((ravdess / "Actor_07").glob("*.flac"))[0]
    expected, rate = librosa.load(path, sr=None, mono=False)
    read = Audio.read(path, mono=False)
    assert read.sample_rate == rate
    np.testing.assert_array_equal(read.samples, np.atleast_2d(expected))


# Every kind of source


def test_path_bytes_file_object_pair_and_audio_are_one_recording(tmp_path: Path) -> None:
    data = encoded(tone())
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    late = io.BytesIO(data)
    late.seek(1000)
    expected = Audio.read(data)
    with path.open("rb") as file:
        for source in (path, str(path), file, late, expected, (expected.samples, RATE)):
            np.testing.assert_array_equal(Audio.read(source).samples, expected.samples)


def test_a_pipe_that_cannot_seek_is_read_to_its_end() -> None:
    data = encoded(tone(0.5))
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(data)
    with os.fdopen(reader, "rb") as file:
        assert Audio.read(file).duration == 0.5


@pytest.mark.parametrize(
    "name", [b"with space.wav", b"q'uo\"te.wav", b"two\nlines.wav", b"\xff\xfe.wav", b"x.raw"]
)
def test_any_name_will_do_and_is_shown_on_one_line(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(encoded(tone(0.5)))
    assert Audio.read(path).duration == 0.5
    path.write_bytes(b"no sound at all")
    with pytest.raises(AudioError) as caught:
        Audio.read(path)
    assert str(caught.value).isprintable()
    assert display_path(path) in str(caught.value)


@given(st.binary(max_size=20))
def test_every_path_is_displayed_as_one_printable_line(name: bytes) -> None:
    assert (not name) or display_path(os.fsdecode(name)).isprintable()


# What is wrong with files


def sized(data: bytes, riff: int | None, size: int) -> bytes:
    """The wav with other lengths in its header."""
    changed = bytearray(data)
    place = data.index(b"data") + 4
    changed[place : place + 4] = struct.pack("<I", size)
    if riff is not None:
        changed[4:8] = struct.pack("<I", riff)
    return bytes(changed)


@pytest.mark.parametrize("riff", [None, 0, 0xFFFFFFFF, 7])
@pytest.mark.parametrize("size", [0, 1000, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF])
def test_a_wav_header_that_lies_about_its_length_does_not_hurt(riff, size) -> None:
    samples = tone()
    read = Audio.read(sized(encoded(samples), riff, size))
    np.testing.assert_allclose(read.samples[0], samples, atol=1e-4)


def test_chunks_after_the_samples_are_not_sound() -> None:
    data = encoded(tone(0.5))
    tagged = data + b"LIST" + struct.pack("<I", 4) + b"INFO"
    assert Audio.read(tagged).duration == 0.5
    assert Audio.read(sized(encoded(np.zeros(0)), None, 0)).duration == 0.0


@pytest.mark.parametrize(("kind", "coding"), [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("FLAC", "")])
def test_a_file_cut_short_gives_what_is_there(kind: str, coding: str) -> None:
    samples = tone(6) + np.random.default_rng(0).normal(0, 0.01, 6 * RATE).astype("f4")
    data = encoded(samples, kind=kind, coding=coding)
    read = Audio.read(data[: len(data) // 2])
    assert read.duration == pytest.approx(3, abs=0.3)
    np.testing.assert_allclose(read.samples[0], samples[: read.samples.size], atol=1e-4)


def test_a_flac_header_without_a_length_does_not_hurt() -> None:
    data = bytearray(encoded(tone(), kind="FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    assert Audio.read(bytes(data)).duration == 1.0


def test_a_recording_of_no_length_is_a_recording() -> None:
    read = Audio.read(encoded(np.zeros(0)), sample_rate=8_000)
    assert read.samples.shape == (1, 0)
    assert read.duration == 0.0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"Dear diary,\n" * 100, "not a recording"),
        (bytes(4096), "not a recording"),
        (b"R", "not a recording"),
        (encoded(tone())[:30], "not a recording"),
        (encoded(tone(), kind="FLAC")[:200], "nothing could be decoded"),
        (b"\x1aE\xdf\xa3" + bytes(100), "webm or mkv"),
    ],
)
def test_what_is_no_recording_is_said_in_one_line(data: bytes, says: str) -> None:
    with pytest.raises(AudioError, match=says) as caught:
        Audio.read(data)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [(24, "<I", 0), (24, "<I", 1), (24, "<I", 4 * 10**9), (22, "<H", 0), (22, "<H", 500)],
)
def test_absurd_rates_and_channels_are_refused(offset: int, form: str, value: int) -> None:
    data = bytearray(encoded(tone()))
    struct.pack_into(form, data, offset, value)
    if form == "<H":  # keep the frame size in step with the channels
        struct.pack_into("<H", data, 32, 2 * value)
    with pytest.raises(AudioError) as caught:
        Audio.read(bytes(data))
    assert str(caught.value).isprintable()


def test_nan_in_a_float_wav_is_counted_and_placed_in_later_blocks_too() -> None:
    samples = tone(10)
    samples[[100_000, 150_000]] = np.nan, np.inf
    with pytest.raises(AudioError, match=r"2 samples .* at sample 100000"):
        Audio.read(encoded(samples, coding="FLOAT"), sample_rate=8_000)


def unreadable(folder: Path) -> Path:
    path = folder / "a.wav"
    path.write_bytes(encoded(tone()))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("permissions do not hold for this user")
    return path


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (lambda folder: folder / "none.wav", "no such file"),
        (lambda folder: folder, "is a folder"),
        (unreadable, "permission denied"),
        (lambda _: "", "empty path"),
        (lambda _: "a\0b.wav", "cannot be opened"),
        (lambda _: io.StringIO("text"), "binary mode"),
        (lambda _: 5, "cannot read audio from int"),
        (lambda _: (tone(), RATE, 1), "pair"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(
    tmp_path: Path, source: Callable[[Path], object], says: str
) -> None:
    with pytest.raises(AudioError, match=says) as caught:
        Audio.read(source(tmp_path))  # type: ignore[arg-type]
    assert str(caught.value).isprintable()


class Failing(io.BytesIO):
    """A file on a disk that breaks after the header."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 1000:
            raise OSError("the disk is gone")
        return super().read(size)


def test_a_disk_that_fails_is_said_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AudioError, match="the disk is gone"):
        Audio.read(Failing(encoded(tone(10))))
    assert capfd.readouterr().err == ""


MEMORY = """
import resource, sys
from sottovoce.audio import Audio
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
audio = Audio.read(sys.argv[1], sample_rate=16000)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(audio.samples.shape[1], (after - before) * 1024 / audio.samples.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux counts it")
def test_two_hours_need_memory_for_the_result_only(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    frames = 7200 * RATE
    head = bytearray(encoded(np.zeros((1, 2)), RATE)[:44])
    struct.pack_into("<I", head, 40, frames * 4)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(44 + frames * 4)  # sparse: stereo silence
    result = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True
    )
    samples, ratio = result.stdout.split()
    assert int(samples) == frames
    assert float(ratio) < 2.3
