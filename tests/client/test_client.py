"""`sottovoce.client` says over the network what the library says at home."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import soundfile
from serving import run_service, until
from tiny_model import RATE, VOICE

import sottovoce
from sottovoce.audio import Audio
from sottovoce.client import Client, SpeechEnded, SpeechStarted
from sottovoce.errors import AudioError, SottovoceError
from sottovoce.results import Segment, Status, Summary

KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def served(tiny):
    with run_service(tiny, keys=(KEY,), limits={"requests": 1, "upload": 10_000_000}) as running:
        yield running


@pytest.fixture
def client(served):
    with Client(served.url, key=KEY) as client:
        yield client


def same(found, expected):
    return found.emotion == expected.emotion and found.probabilities == pytest.approx(
        dict(expected.probabilities), abs=1e-6
    )


@pytest.mark.parametrize("as_what", ["path", "bytes", "file"])
def test_a_prediction_is_the_library_s(client, model, as_what):
    expected = model.predict(VOICE)
    with VOICE.open("rb") as file:
        source = {"path": VOICE, "bytes": VOICE.read_bytes(), "file": file}[as_what]
        found = client.predict(source)
    assert same(found, expected)
    assert (found.status, found.duration, found.model) == (Status.OK, expected.duration, "tiny 1.0")
    assert found.source == (str(VOICE) if as_what == "path" else None)


def test_options_are_sent(client):
    assert client.predict(VOICE, min_confidence=1.0).status is Status.UNCERTAIN


def test_many_are_answered_in_order(client, model, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    found = client.predict_many([VOICE, bad, VOICE.read_bytes()])
    assert [prediction.status for prediction in found] == [Status.OK, Status.ERROR, Status.OK]
    assert [prediction.source for prediction in found] == [str(VOICE), str(bad), None]
    assert same(found[2], model.predict(VOICE))
    assert [prediction.status for prediction in client.predict_many([bad])] == [Status.ERROR]
    assert client.predict_many([]) == []


def test_channels_are_judged_apart(client, model, tmp_path):
    voice = Audio.read(VOICE)
    both = tmp_path / "both.wav"
    samples = np.stack([voice.samples[0], 0.5 * voice.samples[0]], axis=1)
    soundfile.write(both, samples, voice.sample_rate, subtype="FLOAT")
    found = client.predict_many([both, b"no audio", VOICE], channels="split")
    assert [one.channel for one in found] == [1, 2, None, 1]
    assert [one.source for one in found] == [str(both), str(both), None, str(VOICE)]
    for one, expected in zip(found[:2], model.predict_channels(both), strict=True):
        assert same(one, expected)
    assert [one.channel for one in client.predict_many(both, channels="split")] == [1, 2]
    with pytest.raises(SottovoceError, match="gives several; use predict_many"):
        client.predict(both, channels="split")


def test_one_of_many_that_is_broken_is_a_result_though_it_is_alone(client):
    (broken,) = client.predict_many([b"no audio"])
    (_, same) = client.predict_many([VOICE, b"no audio"])
    assert broken == same
    assert broken.status is sottovoce.Status.ERROR


def test_a_timeline_is_the_library_s(client, model):
    with model.timeline(VOICE, hop=0.5, lookahead=3, smoothing="mean") as timeline:
        expected, summary = list(timeline), timeline.summary()
    found = client.timeline(VOICE, hop=0.5, smoothing="mean")
    assert found.model == "tiny 1.0"
    assert [(segment.start, segment.end, segment.status) for segment in found.segments] == [
        (segment.start, pytest.approx(segment.end, abs=1e-6), segment.status)
        for segment in expected
    ]
    assert all(
        same(segment, other) for segment, other in zip(found.segments, expected, strict=True)
    )
    assert found.summary.shares == pytest.approx(dict(summary.shares), abs=1e-6)
    assert found.summary.longest.emotion == summary.longest.emotion


@pytest.mark.parametrize("size", [1000, 10**6])
def test_a_stream_is_the_library_s(client, model, size):
    samples = Audio.read(VOICE).samples[0]
    stream = model.stream(RATE)
    expected = stream.feed(samples) + stream.finish()
    with client.stream(RATE) as live:
        messages = []
        for start in range(0, samples.size, size):
            messages += live.feed(samples[start : start + size])
        messages += live.finish()
    segments = [segment for segment in messages if isinstance(segment, Segment)]
    assert all(same(segment, other) for segment, other in zip(segments, expected, strict=True))
    assert isinstance(messages[0], SpeechStarted)
    assert isinstance(messages[-2], SpeechEnded)
    assert isinstance(messages[-1], Summary)


def test_channels_may_be_followed_apart_and_long_pieces_are_cut(client):
    samples = np.zeros((2, 10 * RATE), np.float32)
    with client.stream(RATE, inputs=2, channels="split") as live:
        messages = [*live.feed(samples), *live.finish()]
    assert {message.channel for message in messages if isinstance(message, Segment)} == {1, 2}


def test_a_stream_that_has_ended_says_so(client):
    with client.stream(RATE) as live:
        list(live.finish())
        with pytest.raises(SottovoceError, match="the stream has ended"):
            live.feed(np.zeros(100, np.float32))
    with client.stream(RATE) as live, pytest.raises(AudioError, match="2 channels; expected 1"):
        live.feed(np.zeros((2, 100), np.float32))


def test_a_stream_tells_why_it_was_ended(tiny):
    with (
        run_service(tiny, limits={"idle": 0.2}) as running,
        Client(running.url) as client,
        client.stream(RATE) as live,
    ):
        until(lambda: running.service.admission.streams == 0)
        with pytest.raises(SottovoceError, match=r"nothing was heard for 0\.2 s"):
            until(lambda: live.feed(np.zeros(100, np.float32)) is None)  # never: it ends by raising


def test_the_models_and_their_cards(client, model):
    assert [listed["name"] for listed in client.models()] == ["tiny"]
    assert client.card("tiny") == model.card
    with pytest.raises(SottovoceError, match="no such model"):
        client.card("other")


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda client: client.predict(b"no audio"), AudioError, "not a recording"),
        (lambda client: client.predict(bytes(10_000_001)), AudioError, "longer than 10000000"),
        (lambda client: client.predict("none.wav"), AudioError, "none.wav: cannot be read"),
        (lambda client: client.predict(VOICE, model="other"), SottovoceError, "no such model"),
        (lambda client: client.timeline(VOICE, hop=9.0), SottovoceError, "window is 3.0 s"),
        (
            lambda client: client.timeline(VOICE, gate=sottovoce.GateOptions()),
            SottovoceError,
            "gate",
        ),
        (lambda client: client.stream(7), SottovoceError, "sample_rate"),
    ],
)
def test_a_refusal_is_an_error_of_one_line(client, call, kind, text):
    with pytest.raises(kind, match=text) as error:
        call(client)
    assert "\n" not in str(error.value)


def test_a_wrong_key_and_a_service_that_is_not_there_are_told(served):
    with Client(served.url, key="wrong") as client:
        assert client.is_ready()
        for call in (client.models, lambda: client.stream(RATE)):
            with pytest.raises(SottovoceError, match="no API key"):
                call()
    with Client("http://127.0.0.1:1") as client:
        assert not client.is_ready()
        for call in (client.models, lambda: client.stream(RATE)):
            with pytest.raises(SottovoceError, match=r"is the service running|opens no stream"):
                call()


def test_a_service_that_is_too_busy_is_asked_again(served, client, monkeypatch):
    admission = served.service.admission
    admission.requests += 1
    waited = []

    def wait(seconds):
        waited.append(seconds)
        admission.requests -= 1

    monkeypatch.setattr("sottovoce.client.rest.sleep", wait)
    assert client.predict(VOICE).status is Status.OK
    assert waited == [1.0]


def test_a_file_that_is_open_as_text_is_refused(client, tmp_path):
    file = tmp_path / "a.wav"
    file.write_text("no audio")
    with file.open(encoding="utf-8") as text, pytest.raises(AudioError, match="open it in binary"):
        client.predict(text)


@pytest.fixture
def stranger():
    """A server that is no Sottovoce, and the headers of its answers."""
    headers = {}

    class Strange(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(int(headers.get("status", 200)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Strange) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", headers
        server.shutdown()
        thread.join()


def test_a_server_that_is_no_sottovoce_is_told(stranger):
    url, headers = stranger
    with Client(url) as client:
        with pytest.raises(SottovoceError, match="is it a Sottovoce service"):
            client.models()
        headers |= {"status": "503"}
        with pytest.raises(SottovoceError, match="status 503"):
            client.models()


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("2", 2.0), ("7200", 10.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 1.0), ("-1", 1.0)],
)
def test_a_strange_time_to_wait_is_no_mistake(stranger, monkeypatch, retry_after, seconds):
    url, headers = stranger
    headers |= {"status": "429", "Retry-After": retry_after}
    waited = []
    monkeypatch.setattr("sottovoce.client.rest.sleep", waited.append)
    with Client(url) as client, pytest.raises(SottovoceError, match="status 429"):
        client.models()
    assert waited == [seconds] * 3


def test_an_unknown_option_is_refused_before_anything_is_sent():
    with Client("http://127.0.0.1:1") as client, pytest.raises(SottovoceError) as caught:
        client.predict(VOICE, min_confidense=0.5)
    assert str(caught.value) == (
        "min_confidense: no such option; expected min_confidence, channels, denoise"
    )
