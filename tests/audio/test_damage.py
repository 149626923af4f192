"""What is damaged, cut short or chained is heard as far as it goes, and what was not is said."""

import io
import random
import sys
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import pytest
import soundfile

from sottovoce.audio import Audio
from sottovoce.audio.decode import decode
from sottovoce.audio.mpeg import mpeg_spans
from sottovoce.audio.ogg import ogg_links
from sottovoce.errors import AudioError, MissingExtraError

RATE = 16_000
SECONDS = 20.0


def voice(seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """Noise that comes and goes, so that no part is like another."""
    count = round(seconds * rate)
    rng = np.random.default_rng(0)
    level = 0.02 + 0.1 * np.abs(np.sin(np.arange(count) / rate * 2))
    return (level * rng.standard_normal(count)).astype(np.float32)


def encoded(kind: str, coding: str = "", samples: np.ndarray | None = None) -> bytes:
    file = io.BytesIO()
    given = voice() if samples is None else samples
    soundfile.write(file, given, RATE, format=kind, subtype=coding or None)
    return file.getvalue()


def media(container: str, codec: str, samples: np.ndarray | None = None, rate: int = RATE) -> bytes:
    av = pytest.importorskip("av", reason="needs PyAV, the extra media")
    given = voice(rate=rate) if samples is None else samples
    levels = np.clip(32768 * given, -32768, 32767).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        track = output.add_stream(codec, rate=rate, layout="mono")
        track.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray(levels[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = rate
        for piece in av.AudioResampler(track.format, "mono", track.rate).resample(frame):
            output.mux(track.encode(piece))
        output.mux(track.encode(None))
    return file.getvalue()


def hurt(content: bytes, size: int = 1000) -> bytes:
    """The middle overwritten with noise."""
    middle = len(content) // 2
    return content[:middle] + random.Random(0).randbytes(size) + content[middle + size :]


def codes(audio: Audio) -> list[str]:
    assert audio.warnings is not None
    return [str(warning.code) for warning in audio.warnings]


WRITERS: dict[str, Callable[[], bytes]] = {
    "mp3": lambda: encoded("MP3"),
    "vorbis": lambda: encoded("OGG", "VORBIS"),
    "opus": lambda: encoded("OGG", "OPUS"),
    "flac": lambda: encoded("FLAC"),
    "m4a": lambda: media("mp4", "aac"),
    "webm": lambda: media("webm", "libopus", rate=48_000),
    "wma": lambda: media("asf", "wmav2", rate=44_100),
    "aac": lambda: media("adts", "aac"),
    "ac3": lambda: media("ac3", "ac3", rate=48_000),
    "ts": lambda: media("mpegts", "aac"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_comes_after_damage_is_heard_and_the_damage_said(name: str) -> None:
    whole = WRITERS[name]()
    good = Audio.read(whole)
    assert good.duration == pytest.approx(SECONDS, abs=0.3)
    assert codes(good) == []
    read = Audio.read(hurt(whole))
    lost = 5.5 if name == "webm" else 1.5  # a cluster, a page
    assert good.duration - lost < read.duration < good.duration + 0.3
    assert codes(read) == ["damaged"]
    assert read.warnings is not None
    assert read.warnings[0].at == pytest.approx(SECONDS / 2, abs=2)
    assert read.warnings[0].message.startswith("damaged at 0:")
    if name == "flac":
        end = -2 * RATE
        np.testing.assert_array_equal(read.samples[0, end:], good.samples[0, end:])


@pytest.mark.parametrize("name", ["mp3", "vorbis", "opus"])
def test_damage_needs_no_pyav(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    read = Audio.read(hurt(WRITERS[name]()))
    assert read.duration > SECONDS - 1.5
    assert codes(read) == ["damaged"]


def test_without_pyav_a_damaged_flac_says_what_would_hear_the_rest(monkeypatch) -> None:
    whole = hurt(encoded("FLAC"))
    monkeypatch.setitem(sys.modules, "av", None)
    read = Audio.read(whole)
    assert read.duration < SECONDS - 1
    assert codes(read) == ["damaged"]
    assert read.warnings is not None
    assert "pip install" in read.warnings[0].message


@pytest.mark.parametrize("name", ["mp3", "vorbis", "opus", "flac", "wav", "aiff", "mov"])
def test_a_file_that_is_cut_says_so(name: str) -> None:
    writers = {
        **WRITERS,
        "wav": lambda: encoded("WAV"),
        "aiff": lambda: encoded("AIFF"),
        "mov": lambda: media("mp4", "aac"),
    }
    whole = writers[name]()
    if name == "mov":  # its index comes first
        whole = fast_start(whole)
    read = Audio.read(whole[: len(whole) * 2 // 3 + 7])
    assert read.duration == pytest.approx(SECONDS * 2 / 3, abs=1.2)
    assert codes(read) == ["truncated"]


def fast_start(content: bytes) -> bytes:
    """The MP4 file with its index before the sound."""
    place, boxes = 0, {}
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        boxes[content[place + 4 : place + 8]] = content[place : place + size]
        place += size
    index = bytearray(boxes[b"moov"])
    offsets = index.index(b"stco")
    count = int.from_bytes(index[offsets + 8 : offsets + 12], "big")
    for number in range(count):
        at = offsets + 12 + 4 * number
        moved = int.from_bytes(index[at : at + 4], "big") + len(index)
        index[at : at + 4] = moved.to_bytes(4, "big")
    rest = b"".join(box for kind, box in boxes.items() if kind not in (b"ftyp", b"moov"))
    return boxes[b"ftyp"] + bytes(index) + rest


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000])
def test_a_wav_from_a_pipe_is_not_called_cut(size: int) -> None:
    content = bytearray(encoded("WAV"))
    place = content.index(b"data") + 4
    content[place : place + 4] = size.to_bytes(4, "little")
    content[4:8] = size.to_bytes(4, "little")
    assert codes(Audio.read(bytes(content))) == []


def test_bytes_after_the_end_are_ignored_and_counted() -> None:
    content = encoded("WAV") + bytes(5000) + b"ID3\3" + bytes(300)
    read = Audio.read(content)
    assert read.duration == SECONDS
    assert read.warnings is not None
    assert [warning.message for warning in read.warnings] == [
        "5,304 bytes after the end were ignored"
    ]


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
def test_every_link_of_a_chained_ogg_is_heard(coding: str) -> None:
    first, second = voice(3), voice(2)[::-1]
    parts = [encoded("OGG", coding, each) for each in (first, second)]
    read = Audio.read(b"".join(parts))
    alone = [Audio.read(part).samples for part in parts]
    np.testing.assert_array_equal(read.samples, np.concatenate(alone, axis=1))
    assert codes(read) == []


def test_links_at_other_rates_and_in_other_channels_are_fitted_to_the_first() -> None:
    file = io.BytesIO()
    stereo = np.stack([voice(2, 48_000)] * 2, axis=1)
    soundfile.write(file, stereo, 48_000, format="OGG", subtype="VORBIS")
    read = Audio.read(encoded("OGG", "VORBIS", voice(3)) + file.getvalue(), mono=False)
    assert (read.channels, read.sample_rate) == (1, RATE)
    assert read.duration == pytest.approx(5, abs=0.05)


@pytest.mark.parametrize(
    "change",
    [
        lambda mp3: bytes(1500) + mp3,
        lambda mp3: random.Random(1).randbytes(700) + mp3,
        lambda mp3: mp3[300:],
        lambda mp3: mp3[:2] + bytes(60) + mp3[62:],
        lambda mp3: b"\0" * 100_000 + mp3,
    ],
    ids=["zeros", "junk", "half a frame", "a broken first frame", "padding"],
)
def test_mp3_is_found_behind_what_is_none(change: Callable[[bytes], bytes], monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    read = Audio.read(change(encoded("MP3")))
    assert read.duration == pytest.approx(SECONDS, abs=0.2)


def test_mp3_files_one_after_another_are_all_heard() -> None:
    tagged = b"ID3\3\0\0\0\0\0\x0a" + bytes(10) + encoded("MP3", samples=voice(3))
    read = Audio.read(tagged + tagged)
    assert read.duration == pytest.approx(6, abs=0.3)
    assert codes(read) == []


def test_frames_and_pages_are_found_where_they_are() -> None:
    mp3 = encoded("MP3", samples=voice(3))
    spans = mpeg_spans(io.BytesIO(mp3))
    assert spans.sound
    assert spans.spans[-1].end == len(mp3)
    for coding in ("VORBIS", "OPUS"):
        ogg = encoded("OGG", coding, voice(3))
        links, trailing = ogg_links(io.BytesIO(ogg + b"rest"))
        assert [(link.start, link.end, link.damages) for link in links] == [(0, len(ogg), [])]
        assert (links[0].finished, trailing) == (True, 4)


@pytest.mark.parametrize(
    "content", [bytes(5000), b"text " * 1000, random.Random(2).randbytes(90_000)]
)
def test_what_is_no_recording_stays_none(content: bytes) -> None:
    with pytest.raises(AudioError, match="not a recording"):
        Audio.read(content)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"#!AMR\n" + bytes(100), "amr"),
        (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(100), "wma"),
        (b"RIFF\0\0\0\0AVI LIST" + bytes(100), "avi"),
        (b"wvpk" + bytes(100), "WavPack"),
        (b"\xff\xf1\x6c\x40" + bytes(100), "aac"),
        (b"\x0b\x77" + bytes(100), "ac3"),
    ],
)
def test_without_pyav_the_format_is_named_with_the_install_line(content, kind, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=f"{kind} needs PyAV; run: pip install"):
        Audio.read(content)


def test_without_pyav_a_codec_in_wav_that_is_not_known_says_what_reads_it(monkeypatch) -> None:
    content = media("wav", "g722")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match="PyAV reads more than these, run: pip install"):
        Audio.read(content)


def test_playlists_are_never_followed(tmp_path) -> None:
    """FFmpeg would open the files that these name."""
    pytest.importorskip("av")
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encoded("WAV", samples=voice(2)))
    lists = {
        "list.txt": f"ffconcat version 1.0\nfile {secret}\n",
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(AudioError, match="not a recording"):
            Audio.read(tmp_path / name)


def test_warnings_of_a_file_grow_while_it_is_decoded() -> None:
    with ExitStack() as stack:
        file = decode(hurt(encoded("MP3")), stack)
        assert file.warnings == ()
        for _ in file.blocks:
            pass
        assert [warning.code for warning in file.warnings] == ["damaged"]
