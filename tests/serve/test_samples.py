"""The encodings of streams: G.711 as libsndfile decodes it, any cut, and a wrong one noticed."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import VOICE

from sottovoce.audio import Audio
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.samples import EncodingGuess, SampleReader, g711_table

LAWS = {"mulaw": "ULAW", "alaw": "ALAW"}


@pytest.mark.parametrize("law", LAWS)
def test_every_code_of_g711_is_what_libsndfile_says(law):
    expected, _ = soundfile.read(
        io.BytesIO(bytes(range(256))),
        dtype="int16",
        format="RAW",
        subtype=LAWS[law],
        samplerate=8000,
        channels=1,
    )
    np.testing.assert_array_equal(g711_table(law), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("encoding", ["pcm16", "float32", "mulaw", "alaw"])
def test_however_bytes_are_cut_the_samples_are_the_same(encoding, channels):
    rng = np.random.default_rng(3)
    if encoding == "float32":
        content = rng.uniform(-1, 1, 600 * channels).astype("<f4").tobytes()
    else:
        content = rng.bytes(1200 * channels)
    whole = SampleReader(encoding, channels, 8000).read(content)
    reader, parts, left = SampleReader(encoding, channels, 8000), [], content
    while left:
        size = int(rng.integers(0, 20))
        parts.append(reader.read(left[:size]).samples)
        left = left[size:]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole.samples)
    assert whole.channels == channels
    assert reader.last_problems() == []


def test_half_a_sample_at_the_end_is_told():
    reader = SampleReader("pcm16", 2, 8000)
    assert reader.read(b"123").samples.shape == (2, 0)
    (problem,) = reader.last_problems()
    assert problem.code == "bad_frame"
    assert "the last 3 of 4 bytes" in problem.message


def test_a_frame_that_is_refused_leaves_the_next_ones_whole():
    reader = SampleReader("float32", 1, 8000)
    bad = np.array([np.nan, 0.5], "<f4").tobytes()
    with pytest.raises(ServiceError):
        reader.read(bad[:7])
    assert reader.read(bad[7:]).samples == np.float32(0.5)


def guessed(encoding, content, cut=997):
    guess = EncodingGuess(encoding)
    for start in range(0, len(content), cut):
        guess.add(content[start : start + cut])
    return guess.likely


def as_both(samples):
    """The bytes of (samples,) as pcm16 and as float32."""
    levels = np.round(32767 * np.clip(samples, -1, 1)).astype("<i2")
    return {"pcm16": levels.tobytes(), "float32": samples.astype("<f4").tobytes()}


def check(samples):
    found = as_both(samples)
    assert guessed("pcm16", found["pcm16"]) is None
    assert guessed("float32", found["float32"]) is None
    assert guessed("pcm16", found["float32"]) == "float32"
    assert guessed("float32", found["pcm16"]) == "pcm16"


def test_speech_in_the_wrong_encoding_is_noticed():
    check(Audio.read(VOICE).samples[0])


@pytest.mark.parametrize("corpus", ["ravdess", "savee", "tess", "librispeech", "nemo", "noise"])
def test_the_guess_holds_on_real_recordings(corpora: Path, corpus):
    kinds = (".wav", ".flac", ".ogg")
    files = sorted(path for path in (corpora / corpus).rglob("*") if path.suffix in kinds)
    for path in files[:: max(1, len(files) // 25)]:  # speech; the noises, and music among them
        check(Audio.read(path).samples[0])


@pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
def test_no_guess_is_made_about_what_is_no_speech(level):
    rng, time = np.random.default_rng(4), np.arange(80_000) / 16_000
    noise = rng.uniform(-level, level, time.size)
    tone = level * np.sin(2 * np.pi * 440 * time)
    for samples in (
        noise,
        tone,
        level * np.sign(tone),
        level / 2 + 0.01 * noise,
        0.43 + 0.05 * tone,  # as loud, read as 16 bit, as the upper halves of float32 are
        np.zeros(time.size),
        np.full(time.size, np.nan),
        32768 * noise,  # float32 that nobody scaled
        level * 2.0**31 * np.sin(time),
    ):
        found = as_both(np.nan_to_num(samples))
        assert guessed("pcm16", found["pcm16"]) is None
        assert guessed("float32", samples.astype("<f4").tobytes()) is None


def test_a_wrong_encoding_is_told_once():
    reader = SampleReader("pcm16", 1, 16_000)
    content = as_both(Audio.read(VOICE).samples[0])["float32"]
    problems = []
    for start in range(0, len(content), 6400):
        reader.read(content[start : start + 6400])
        problems += reader.problems()
    (problem,) = problems
    assert problem.code == "wrong_encoding"
    assert "this looks like float32 sent as pcm16" in problem.message
