"""Sources: what people have in hand, whichever library it is of, is one recording."""

import functools
import http.server
import io
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tiny_model import RATE, VOICE

from sottovoce import Audio, Model, Status
from sottovoce.audio.sources import is_address, recordings
from sottovoce.cli import run
from sottovoce.errors import AudioError, MissingExtraError, SottovoceError, install_line


@dataclass
class Samples:
    """As torchcodec's `AudioSamples`."""

    data: Any
    sample_rate: int
    pts_seconds: float = 0.0
    duration_seconds: float = 0.0


class Decoder:
    """As torchcodec's `AudioDecoder`."""

    def __init__(self, samples: Any, rate: int) -> None:
        self._samples = Samples(samples, rate)

    def get_all_samples(self) -> Samples:
        return self._samples


@pytest.fixture(scope="module")
def voice() -> Audio:
    return Audio.read(VOICE)


@pytest.fixture(scope="module")
def both(voice: Audio) -> np.ndarray:
    """Two channels: (2, samples)."""
    return np.stack([voice.samples[0], 0.5 * np.roll(voice.samples[0], 999)])


# Arrays of other libraries


def same(source: Any, voice: Audio) -> None:
    found = Audio.read(source)
    assert found.sample_rate == voice.sample_rate
    np.testing.assert_array_equal(found.samples, voice.samples)


def test_a_pair_is_told_by_which_of_the_two_is_a_number(voice: Audio) -> None:
    samples, rate = voice.samples[0], voice.sample_rate
    for number in (rate, float(rate), np.int64(rate), np.float32(rate), np.array(rate)):
        same((samples, number), voice)
        same((number, samples), voice)
    same((rate, samples.tolist()), voice)


def test_a_dict_is_read_as_hugging_face_gives_it(voice: Audio, model: Model) -> None:
    rate, data = voice.sample_rate, VOICE.read_bytes()
    same({"path": "a/b.wav", "array": voice.samples[0], "sampling_rate": rate}, voice)
    same({"path": None, "bytes": data}, voice)
    same({"path": str(VOICE), "bytes": None}, voice)
    decoded = {"path": "a/b.wav", "array": voice.samples[0], "sampling_rate": rate}
    assert model.predict(decoded).source == "a/b.wav"
    with pytest.raises(AudioError, match=r"^a/b.wav: samples reach"):
        model.predict(decoded | {"array": 1e4 * voice.samples[0]})


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16", "int16"])
def test_a_tensor_is_an_array(voice: Audio, kind: str) -> None:
    torch = pytest.importorskip("torch")
    scale = 2**15 if kind == "int16" else 1
    samples = np.round(voice.samples * 2**15) * (scale / 2**15)
    tensor = torch.from_numpy(samples).to(getattr(torch, kind))
    expected = tensor.double().numpy() / scale
    for source in ((tensor, RATE), (RATE, tensor), {"array": tensor, "sampling_rate": RATE}):
        np.testing.assert_allclose(Audio.read(source).samples, expected, atol=1e-7)
    np.testing.assert_allclose(Audio(tensor[0], RATE).samples, expected, atol=1e-7)


def test_a_tensor_that_learns_is_an_array_too(voice: Audio) -> None:
    torch = pytest.importorskip("torch")
    same((torch.from_numpy(voice.samples).requires_grad_(), voice.sample_rate), voice)


def test_a_decoder_and_what_it_gives_are_recordings(voice: Audio, model: Model) -> None:
    decoder = Decoder(voice.samples, voice.sample_rate)
    same(decoder, voice)
    same(decoder.get_all_samples(), voice)
    expected = model.predict((voice.samples, voice.sample_rate))
    assert list(model.predict_many(decoder)) == [expected]
    assert list(model.predict_many([decoder, decoder.get_all_samples()])) == [expected] * 2
    assert list(model.timeline(decoder)) == list(model.timeline(voice))


def test_torchcodec_itself_decodes(voice: Audio) -> None:
    try:
        from torchcodec.decoders import AudioDecoder  # type: ignore[import-not-found]
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"torchcodec cannot be used here: {type(error).__name__}")
    same(AudioDecoder(VOICE), voice)


def test_a_decoder_that_fails_is_one_line(model: Model) -> None:
    class Broken:
        def get_all_samples(self) -> Samples:
            raise RuntimeError("no audio\nstream")

    with pytest.raises(AudioError, match=r"^the decoder given: cannot decode \(no audio stream\)$"):
        model.predict(Broken())
    (answer,) = model.predict_many(Broken())
    assert answer.status is Status.ERROR


def test_samples_first_is_known_where_it_can_only_be_that(both: np.ndarray, model: Model) -> None:
    whole = np.round(both * 32767).astype(np.int16)
    expected = Audio(whole, RATE).samples
    np.testing.assert_array_equal(Audio(whole.T, RATE).samples, expected)
    np.testing.assert_array_equal(Audio.read((RATE, whole.T), mono=False).samples, expected)
    assert model.predict((RATE, whole.T)) == model.predict((whole, RATE))
    file = io.BytesIO()
    soundfile.write(file, whole.T, RATE, format="WAV")
    file.seek(0)
    np.testing.assert_array_equal(
        Audio.read(soundfile.read(file, dtype="int16"), mono=False).samples, expected
    )


@pytest.mark.parametrize("shape", [(64, 2), (2, 64), (64, 64), (1, 65)])
def test_up_to_as_many_rows_as_there_may_be_channels_are_channels(shape: tuple[int, int]) -> None:
    assert Audio(np.zeros(shape), RATE).samples.shape == shape


def test_a_piece_of_a_stream_is_never_turned(both: np.ndarray, model: Model) -> None:
    """Of a short piece nobody could tell, so no piece is."""
    stream = model.stream(RATE)
    with pytest.raises(AudioError, match=r"^a piece of shape \(320, 2\); expected .* transpose"):
        stream.feed(both.T[:320])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ((1, 2, 3), r"got a tuple of 3; expected an \(array, sample rate\) pair"),
        ({"audio": 1}, r"got a dict of 'audio'; expected 'array' and 'sampling_rate'"),
        ({}, r"got a dict of nothing; expected"),
        (([[0.0], [0.0, 1.0]], RATE), r"the array given: cannot be taken for one \("),
        ((np.zeros(9), np.zeros(9)), "sample rate"),
        ((RATE, RATE), "expected"),
        (np.zeros(9), r"cannot read audio from ndarray; give .* an \(array, sample rate\) pair"),
        (123, r"cannot read audio from int; give"),
        (None, r"cannot read audio from NoneType; give"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(source: Any, said: str, model: Model) -> None:
    with pytest.raises(AudioError, match=said) as refused:
        model.predict(source)
    assert "\n" not in str(refused.value)


# One recording, or many


def test_one_recording_is_one(voice: Audio, model: Model) -> None:
    expected = model.predict(VOICE)
    pair = (voice.samples[0], voice.sample_rate)
    one = [str(VOICE), VOICE, VOICE.read_bytes(), voice, pair, pair[::-1]]
    one += [{"array": pair[0], "sampling_rate": pair[1]}, bytearray(VOICE.read_bytes())]
    for source in one:
        (answer,) = model.predict_many(source)
        assert answer.probabilities == expected.probabilities
    with VOICE.open("rb") as file:
        (answer,) = model.predict_many(file)
        assert answer == expected


def test_several_recordings_are_several(model: Model) -> None:
    name = str(VOICE)
    for many in ([name, name], (name, VOICE), iter([name, name]), np.array([name, name])):
        assert len(list(model.predict_many(many))) == 2
    assert len(list(model.predict_many({name: 1, "b": 2}.keys()))) == 2


def test_an_array_without_its_rate_is_one_bad_recording(model: Model) -> None:
    (answer,) = model.predict_many(np.zeros((3, 9)))
    assert answer.status is Status.ERROR
    assert "an (array, sample rate) pair" in answer.message


@pytest.mark.parametrize("given", [123, 1.5, None])
def test_neither_one_nor_several_is_refused_at_once(given: Any, model: Model) -> None:
    with pytest.raises(SottovoceError, match="expected one recording, or several in a list"):
        model.predict_many(given)


def test_pairs_in_a_tuple_are_several() -> None:
    pairs = ((np.zeros(3), RATE), (RATE, np.zeros(3)))
    assert recordings(pairs) is pairs
    assert recordings(pairs[0]) == [pairs[0]]


# Addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org/a.wav", True),
        ("HTTP://example.org/a.wav", True),
        ("s3://bucket/a.wav", True),
        ("simplecache::s3://bucket/a.wav", True),
        ("a.wav", False),
        ("/a//b.wav", False),
        (r"C:\a.wav", False),
        ("C:/a.wav", False),
        ("a:b://c", False),
        ("://a", False),
        (Path("https://example.org/a.wav"), False),
        (b"https://example.org/a.wav", False),
    ],
)
def test_an_address_is_told_from_a_path(text: Any, expected: bool) -> None:
    assert is_address(text) is expected


@pytest.fixture
def address() -> Iterator[str]:
    """The folder of the samples, served."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=str(VOICE.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_recording_at_an_address_is_fetched(address: str, voice: Audio, model: Model) -> None:
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    url = f"{address}/{VOICE.name}?a=1"
    same(url, voice)
    assert model.predict(url) == model.predict(VOICE).model_copy(update={"source": url})
    assert list(model.timeline(url)) == list(model.timeline(VOICE))


def test_the_command_line_takes_addresses(
    address: str, tiny: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("aiohttp")
    good, bad = f"{address}/{VOICE.name}?a=[1]", f"{address}/nowhere.wav"
    assert run(["predict", good, bad, "--json", "--model", str(tiny)]) == 1
    heard, missed = map(json.loads, capfd.readouterr().out.splitlines())
    assert (heard["path"], heard["status"]) == (good, "ok")
    assert (missed["path"], missed["status"]) == (bad, "error")
    assert missed["message"] == f"{bad}: nothing is found there; check it"


def test_any_store_that_fsspec_knows_will_do(voice: Audio) -> None:
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://folder/voice.wav", "wb") as file:
        file.write(VOICE.read_bytes())
    same("memory://folder/voice.wav", voice)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory://nowhere.wav", "nothing is found there; check it"),
        ("nonsense://a.wav", r"cannot be read \(Protocol not known: nonsense\); check the address"),
        ("http://127.0.0.1:9/a.wav", "nothing is found there; check it"),
    ],
)
def test_an_address_that_cannot_be_read_is_one_line(url: str, said: str, model: Model) -> None:
    pytest.importorskip("aiohttp")
    with pytest.raises(AudioError, match=f"^{url}: {said}$") as refused:
        model.predict(url)
    assert "\n" not in str(refused.value)


def test_without_what_it_needs_an_address_gives_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fsspec = pytest.importorskip("fsspec")
    url = "https://example.org/a.wav"

    def open_(*_: Any) -> Any:
        raise ImportError('HTTPFileSystem requires "aiohttp" to be installed')

    monkeypatch.setattr(fsspec, "open", open_)
    for missing in ("aiohttp", "fsspec"):
        with pytest.raises(MissingExtraError) as refused:
            Audio.read(url)
        assert str(refused.value).startswith(f"{url}: ")
        assert str(refused.value).endswith(f"needs {missing}; run: {install_line('remote')}")
        monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(AudioError, match="no such file"):  # a path needs none of it
        Audio.read("absent.wav")
