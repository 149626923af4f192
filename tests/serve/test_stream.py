"""`/v1/stream`: the same segments as the library, and a session that survives mistakes."""

import io
import json
import socket as socket_module
import time
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile
from serving import FINISH, address, get, is_closed, rest, run_service, until
from tiny_model import RATE, VOICE
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sottovoce.audio import Audio
from sottovoce.results import Segment, Status
from sottovoce.serve.stream_messages import SpeechTracker, StreamConfig

KEY = "0123456789abcdef"


@contextmanager
def opened(served, **config):
    with connect(address(served), compression=None) as socket:
        socket.send(json.dumps({"type": "config", "sample_rate": RATE} | config))
        yield socket, json.loads(socket.recv())


def of_kind(messages, kind):
    return [message for message in messages if message["type"] == kind]


@pytest.fixture(scope="module")
def voice():
    """(samples,) with a pause: voice, two seconds of silence, voice."""
    samples, rate = soundfile.read(VOICE, dtype="int16")
    assert rate == RATE
    return np.concatenate([samples, np.zeros(3 * RATE, np.int16), samples])


@pytest.mark.parametrize("encoding", ["pcm16", "float32"])
@pytest.mark.parametrize("size", [37, 1600, 40_000])
def test_a_stream_says_what_the_library_says_however_it_is_cut(
    served, model, voice, encoding, size
):
    samples = voice[: 2 * RATE] if size == 37 else voice
    stream = model.stream(RATE)
    expected = [message.to_dict() for message in stream.feed(samples) + stream.finish()]
    frames = samples if encoding == "pcm16" else (samples / np.float32(32768)).astype("<f4")
    with opened(served, encoding=encoding) as (socket, ready):
        assert ready["type"] == "ready"
        assert (ready["model"], ready["labels"]) == ("tiny 1.0", list(model.labels))
        for start in range(0, len(frames), size):
            socket.send(frames[start : start + size].tobytes())
        socket.send(FINISH)
        messages = rest(socket)
        assert socket.close_code == 1000
    found = of_kind(messages, "measurement")
    assert [message["status"] for message in found] == [message["status"] for message in expected]
    for message, other in zip(found, expected, strict=True):
        assert (message["start"], message["end"]) == (other["start"], other["end"])
        assert message["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    assert messages[-1]["type"] == "finished"
    assert messages[-1]["summary"]["duration"] == pytest.approx(len(samples) / RATE, abs=1e-5)


@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_g711_is_heard_as_a_file_of_it_is(served, model, law):
    subtype = {"mulaw": "ULAW", "alaw": "ALAW"}[law]
    file = io.BytesIO()
    samples = Audio.read(VOICE, sample_rate=8000).samples[0]
    soundfile.write(file, samples, 8000, format="RAW", subtype=subtype)
    file.seek(0)
    decoded, rate = soundfile.read(
        file, format="RAW", subtype=subtype, samplerate=8000, channels=1, dtype="float32"
    )
    stream = model.stream(rate)
    expected = [segment.to_dict() for segment in stream.feed(decoded) + stream.finish()]
    with opened(served, encoding=law, sample_rate=8000) as (socket, _):
        content = file.getvalue()
        for start in range(0, len(content), 160):
            socket.send(content[start : start + 160])
        socket.send(FINISH)
        found = of_kind(rest(socket), "measurement")
    assert any(message["emotion"] for message in found)
    for message, other in zip(found, expected, strict=True):
        assert (message["status"], message["end"]) == (other["status"], other["end"])
        assert message["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


@pytest.mark.parametrize(("encoding", "sent"), [("pcm16", "float32"), ("float32", "pcm16")])
def test_a_wrong_encoding_is_told_once_and_what_to_do(served, voice, encoding, sent):
    frames = voice if sent == "pcm16" else (voice / np.float32(32768)).astype("<f4")
    with opened(served, encoding=encoding) as (socket, _):
        for start in range(0, len(frames), 1600):
            socket.send(frames[start : start + 1600].tobytes())
        socket.send(FINISH)
        messages = rest(socket)
        assert socket.close_code == 1000
    (told,) = [m for m in of_kind(messages, "error") if m["code"] == "wrong_encoding"]
    assert f"this looks like {sent} sent as {encoding}" in told["message"]
    assert f'"encoding": "{sent}"' in told["message"]


def test_half_a_sample_at_the_end_is_told(served):
    with opened(served) as (socket, _):
        socket.send(b"odd")
        socket.send(FINISH)
        problem, *_, last = rest(socket)
    assert (problem["code"], last["type"]) == ("bad_frame", "finished")
    assert "the last 1 of 2 bytes" in problem["message"]


def test_speech_starts_and_ends_once_for_each_stretch(served, voice):
    with opened(served) as (socket, _):
        socket.send(voice.tobytes())
        socket.send(FINISH)
        messages = rest(socket)
    kinds = [message["type"] for message in messages if message["type"].startswith("speech")]
    assert kinds == ["speech_started", "speech_ended"] * 2
    starts, ends = of_kind(messages, "speech_started"), of_kind(messages, "speech_ended")
    assert starts[0]["start"] == 0
    assert 3 < ends[0]["end"] < 5 < starts[1]["start"] < 7


def test_labels_come_while_the_client_is_still_speaking(served, voice):
    with opened(served) as (socket, _):
        socket.send(voice[: 3 * RATE].tobytes())
        first = json.loads(socket.recv(timeout=10))
        assert first == {"type": "speech_started", "start": 0.0, "channel": None}
        assert json.loads(socket.recv(timeout=10))["type"] == "measurement"


def test_channels_in_turn_are_followed_apart(served, voice):
    both = np.stack([voice, np.zeros_like(voice)], axis=1)
    with opened(served, channels=2, split=True) as (socket, _):
        socket.send(both.tobytes())
        socket.send(FINISH)
        measured = of_kind(rest(socket), "measurement")
    assert {message["channel"] for message in measured} == {1, 2}
    assert {message["status"] for message in measured if message["channel"] == 2} == {"silence"}
    assert "ok" in {message["status"] for message in measured if message["channel"] == 1}


@pytest.mark.parametrize(
    ("encoding", "frame", "code"),
    [
        ("float32", np.array([np.nan], "<f4").tobytes(), "bad_frame"),
        ("float32", np.array([1e30], "<f4").tobytes(), "bad_frame"),
        ("pcm16", "hello", "bad_message"),
        ("pcm16", "[" * 100_000, "bad_message"),
        ("pcm16", '{"type": "config", "sample_rate": 8000}', "bad_message"),
    ],
)
def test_a_bad_frame_is_answered_and_the_session_lives_on(
    served, model, voice, encoding, frame, code
):
    samples = voice[: 2 * RATE]
    good = samples if encoding == "pcm16" else (samples / np.float32(32768)).astype("<f4")
    with opened(served, encoding=encoding) as (socket, _):
        socket.send(good[:RATE].tobytes())
        socket.send(frame)
        socket.send(good[RATE:].tobytes())
        socket.send(FINISH)
        messages = rest(socket)
    (problem,) = of_kind(messages, "error")
    assert problem["code"] == code
    assert problem["message"]
    stream = model.stream(RATE)
    expected = stream.feed(samples) + stream.finish()
    assert [message["status"] for message in of_kind(messages, "measurement")] == [
        str(message.status) for message in expected
    ]


@pytest.mark.parametrize(
    "first",
    [
        b"\0\0",
        "",
        "null",
        "[1]",
        "{" * 50_000,
        '{"type": "config"}',
        '{"type": "config", "sample_rate": 1}',
        '{"type": "config", "sample_rate": 16000, "rate": 1}',
        '{"type": "config", "sample_rate": 16000, "window": 1e999}',
        '{"type": "config", "sample_rate": 16000, "hop": 9}',
        '{"type": "config", "sample_rate": 16000, "hold": 1e308}',
        '{"type": "config", "sample_rate": 16000, "caller": "\\u0000"}',
        '{"type": "config", "sample_rate": 16000, "model": "other"}',
    ],
)
def test_a_bad_config_is_answered_and_a_good_one_may_follow(served, first):
    with connect(address(served)) as socket:
        socket.send(first)
        problem = json.loads(socket.recv(timeout=5))
        assert problem["type"] == "error"
        assert problem["code"] in ("no_config", "bad_config", "bad_option", "no_such_model")
        socket.send(json.dumps({"type": "config", "sample_rate": RATE}))
        assert json.loads(socket.recv(timeout=5))["type"] == "ready"


def test_a_stream_of_nothing_finishes(served):
    with opened(served) as (socket, _):
        socket.send(b"")
        socket.send(FINISH)
        (last,) = rest(socket)
    assert last["summary"]["duration"] == 0


@pytest.fixture(scope="module")
def guarded(tiny):
    limits = {"idle": 0.3, "streams": 2, "frame": 10_000}
    with run_service(tiny, keys=(KEY,), limits=limits) as running:
        yield running


def test_a_key_may_come_in_the_config_and_a_wrong_one_ends_the_stream(guarded):
    with opened(guarded, key=KEY) as (_, ready):
        assert ready["type"] == "ready"
    for wrong in ({"key": KEY + "x"}, {}):
        with opened(guarded, **wrong) as (socket, problem):
            assert problem["code"] == "unauthorised"
            assert rest(socket) == []
            assert socket.close_code == 4401


def test_a_wrong_key_in_the_header_is_refused_at_once(guarded):
    headers = {"X-API-Key": "wrong"}
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(address(guarded), additional_headers=headers),
    ):
        pass
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("configured", [True, False])
def test_an_idle_stream_is_ended_with_what_it_knows(guarded, voice, configured):
    begun = time.monotonic()
    with connect(address(guarded), additional_headers={"X-API-Key": KEY}) as socket:
        if configured:
            socket.send(json.dumps({"type": "config", "sample_rate": RATE}))
            for start in range(0, 2 * RATE, 4000):
                socket.send(voice[start : start + 4000].tobytes())
        messages = rest(socket)
        assert socket.close_code == 4408
    assert messages[-1]["code"] == "idle"
    assert time.monotonic() - begun < 10
    assert len(of_kind(messages, "finished")) == configured
    assert len(of_kind(messages, "measurement")) == 2 * configured


def test_one_stream_too_many_is_told_when_to_come_again(guarded):
    headers = {"X-API-Key": KEY}
    with (
        connect(address(guarded), additional_headers=headers),
        connect(address(guarded), additional_headers=headers),
        pytest.raises(InvalidStatus) as refused,
        connect(address(guarded), additional_headers=headers),
    ):
        pass
    assert refused.value.response.status_code == 429
    assert int(refused.value.response.headers["Retry-After"]) > 0
    until(lambda: guarded.service.admission.streams == 0)


def test_a_message_that_is_too_long_ends_the_stream_alone(guarded):
    with opened(guarded, key=KEY) as (socket, _):
        socket.send(bytes(20_000))
        rest(socket)
        assert socket.close_code == 1009
    with opened(guarded, key=KEY) as (_, ready):
        assert ready["type"] == "ready"
    until(lambda: guarded.service.admission.streams == 0)


def test_a_client_that_vanishes_leaves_no_stream_behind(served, voice):
    for _ in range(5):
        with opened(served) as (socket, _):
            socket.send(voice.tobytes())
            socket.socket.shutdown(2)
    until(lambda: served.service.admission.streams == 0)
    assert get(f"{served.url}/healthz").status_code == 200


def test_a_service_that_stops_lets_streams_say_what_they_know(tiny, voice):
    with run_service(tiny) as running, opened(running) as (socket, _):
        socket.send(voice[: 3 * RATE].tobytes())
        socket.recv()
        running.server.should_exit = True
        messages = rest(socket)
        assert socket.close_code == 1012
    assert messages[-1]["summary"]["duration"] == pytest.approx(3.0)


def test_streams_are_counted(served, voice):
    with opened(served) as (socket, _):
        socket.send(voice.tobytes())
        socket.send(FINISH)
        rest(socket)
    text = get(f"{served.url}/metrics").text
    assert 'sottovoce_requests_total{endpoint="/v1/stream",status="1000"}' in text
    assert 'sottovoce_audio_seconds_total{endpoint="/v1/stream"}' in text


def test_speech_of_each_channel_begins_and_ends_on_its_own():
    def segment(start, emotion, channel):
        status = Status.OK if emotion else Status.SILENCE
        return Segment(
            start=start, end=start + 1.0, status=status, emotion=emotion, channel=channel
        )

    tracker, messages = SpeechTracker(), []
    for part in (
        segment(0, "happy", 1), segment(0, None, 2), segment(1, "sad", 1), segment(1, "sad", 2),
        segment(2, None, 1), segment(2, "sad", 2),
    ):  # fmt: skip
        messages += tracker.messages(part)
    messages += tracker.last_messages()
    edges = [message for message in messages if not isinstance(message, Segment)]
    assert [edge.to_message() for edge in edges] == [
        {"type": "speech_started", "start": 0, "channel": 1},
        {"type": "speech_started", "start": 1, "channel": 2},
        {"type": "speech_ended", "end": 2, "channel": 1},
        {"type": "speech_ended", "end": 3, "channel": 2},
    ]


def test_a_key_is_not_in_what_a_config_shows():
    config = StreamConfig.from_text(json.dumps({"type": "config", "sample_rate": 8000, "key": KEY}))
    assert KEY not in repr(config)


def test_a_long_frame_is_heard_in_parts_and_says_the_same(served, model, voice):
    samples, rate = np.tile(voice[::16], 20), RATE // 16  # minutes in a few bytes
    stream = model.stream(rate)
    expected = [message.to_dict() for message in stream.feed(samples) + stream.finish()]
    with opened(served, sample_rate=rate) as (socket, _):
        socket.send(samples.tobytes())
        socket.send(FINISH)
        found = of_kind(rest(socket), "measurement")
    assert len(found) > 100
    assert [(message["start"], message["status"]) for message in found] == [
        (message["start"], message["status"]) for message in expected
    ]


def test_a_long_frame_with_a_mistake_is_left_out_whole(served, voice):
    bad = np.tile(voice.astype("<f4") / 32768, 4)
    bad[-1] = np.inf
    with opened(served, encoding="float32") as (socket, _):
        socket.send(bad.tobytes())
        socket.send(FINISH)
        messages = rest(socket)
    assert [message["type"] for message in messages] == ["error", "finished"]
    assert messages[-1]["summary"]["duration"] == 0


def test_a_stream_that_fails_says_so_and_is_counted(tiny, voice, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a secret")

    with run_service(tiny) as running:
        monkeypatch.setattr(running.service.models["tiny"].batcher, "_network", broken)
        with opened(running) as (socket, _):
            socket.send(voice.tobytes())
            messages = rest(socket)
            assert socket.close_code == 1011
        assert messages[-1] == {
            "type": "error",
            "code": "internal",
            "message": "the service failed; its log says why",
        }
        until(lambda: running.service.admission.streams == 0)
        assert 'endpoint="/v1/stream",status="1011"' in get(f"{running.url}/metrics").text


def test_clients_cannot_choose_what_is_counted(served):
    with opened(served) as (socket, _):
        socket.close(4567)
    until(lambda: served.service.admission.streams == 0)
    until(lambda: 'status="other"' in get(f"{served.url}/metrics").text)
    assert 'status="4567"' not in get(f"{served.url}/metrics").text


def test_a_stream_outlives_the_time_that_a_head_may_take(tiny):
    with run_service(tiny, limits={"receive": 0.2}) as running, opened(running) as (socket, _):
        with socket_module.create_connection(running.address) as idle:
            assert is_closed(idle, seconds=10)  # which began after the stream
        socket.send(FINISH)
        assert rest(socket)[-1]["type"] == "finished"


def test_a_stream_lives_through_whatever_is_sent(served, model, voice):
    rng = np.random.default_rng(1)
    pieces = np.array_split(voice[: 4 * RATE], 60)
    words = ['{"type":', '"finish"', "}", "[", "\0", "\N{SNOWMAN}", "1e999", "config", "null", ","]
    with opened(served, encoding="float32") as (socket, _):
        for piece in pieces:
            socket.send("".join(rng.choice(words, rng.integers(0, 9))))
            socket.send(
                np.append(piece / 32768, rng.choice([np.nan, 1e30])).astype("<f4").tobytes()
            )
            content, cut = (piece / 32768).astype("<f4").tobytes(), int(rng.integers(0, 50))
            socket.send(content[:cut])
            socket.send(content[cut:])
        socket.send(FINISH)
        messages = rest(socket)
        assert socket.close_code == 1000
    assert len(of_kind(messages, "error")) == 2 * len(pieces)
    stream = model.stream(RATE)
    expected = stream.feed(voice[: 4 * RATE]) + stream.finish()
    assert [message["status"] for message in of_kind(messages, "measurement")] == [
        str(message.status) for message in expected
    ]


@pytest.mark.parametrize(
    "frame",
    [
        b"\x82\x04wave",  # not masked
        b"\x83\x80\0\0\0\0",  # of no known kind
        b"\xf2\x80\0\0\0\0",  # compressed, which was not agreed on
        b"\x81\x82\0\0\0\0\xff\xfe",  # a text that is no UTF-8
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",  # of more bytes than there are
        b"\x89\xfe\x00\xff\0\0\0\0" + bytes(255),  # a ping that is too long
        b"\x88\x81\0\0\0\0x",  # a close without a whole code
    ],
)  # fmt: skip
@pytest.mark.parametrize("configured", [True, False])
def test_what_is_no_frame_ends_its_stream_alone(served, frame, configured):
    head = (
        b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    config = b'{"type": "config", "sample_rate": 16000}'
    masked = b"\x81" + bytes([0x80 | len(config)]) + bytes(4) + config
    with opened(served) as (other, _):
        with socket_module.create_connection(served.address, timeout=10) as socket:
            socket.sendall(head)
            assert socket.recv(4096).startswith(b"HTTP/1.1 101")
            if configured:
                socket.sendall(masked)
                assert b"ready" in socket.recv(4096)
            socket.sendall(frame)
            while socket.recv(4096):
                pass
        until(lambda: served.service.admission.streams == 1)
        other.send(FINISH)
        assert rest(other)[-1]["type"] == "finished"
    until(lambda: served.service.admission.streams == 0)
