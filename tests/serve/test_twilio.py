"""`/v1/stream/twilio`: the messages of Twilio's Media Streams, from a call to rows and marks."""

import base64
import io
import json
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import soundfile
from serving import FINISH, address, get, rest, run_service, until
from tiny_model import VOICE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from sottovoce.audio import Audio
from sottovoce.results import Segment

KEY = "0123456789abcdef"
FRAME = 160
"""Bytes of 20 ms."""
SID, CALL = "MZ" + 32 * "1", "CA" + 32 * "2"


def as_mulaw(path: Path) -> bytes:
    """A recording as a telephone carries it, without a header."""
    file = io.BytesIO()
    samples = Audio.read(path, sample_rate=8000).samples[0]
    soundfile.write(file, samples, 8000, format="RAW", subtype="ULAW")
    return file.getvalue()


@pytest.fixture(scope="module")
def voice() -> bytes:
    return as_mulaw(VOICE)


def start(*tracks: str, **parameters: str) -> list[dict]:
    """The first two messages."""
    details = {
        "accountSid": "AC" + 32 * "3",
        "streamSid": SID,
        "callSid": CALL,
        "tracks": list(tracks) or ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": parameters,
    }
    return [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {"event": "start", "sequenceNumber": "1", "start": details, "streamSid": SID},
    ]


def media(content: bytes, track: str = "inbound", since: int = 0) -> list[dict]:
    """The messages that carry a sound, `since` ms after the start of the stream."""
    return [
        {
            "event": "media",
            "sequenceNumber": str(number + 1),
            "media": {
                "track": track,
                "chunk": str(number),
                "timestamp": str(since + 20 * (number - 1)),
                "payload": base64.b64encode(
                    content[FRAME * (number - 1) : FRAME * number]
                ).decode(),
            },
            "streamSid": SID,
        }
        for number in range(1, -(-len(content) // FRAME) + 1)
    ]


STOP = [
    {
        "event": "stop",
        "sequenceNumber": "99999",
        "stop": {"accountSid": "AC" + 32 * "3", "callSid": CALL},
        "streamSid": SID,
    }
]


@contextmanager
def called(served, messages):
    """The socket of a call whose messages were sent, as far as the service took them."""
    with connect(f"{address(served)}/twilio", compression=None) as socket:
        with suppress(ConnectionClosed):
            for message in messages:
                socket.send(message if isinstance(message, str) else json.dumps(message))
        yield socket


def marks(messages: list[dict]) -> list[dict]:
    """The measurements in marks; everything that Twilio is sent must be one."""
    for message in messages:
        assert message.keys() == {"event", "streamSid", "mark"}
        assert (message["event"], message["streamSid"]) == ("mark", SID)
        assert message["mark"].keys() == {"name"}
    return [json.loads(message["mark"]["name"]) for message in messages]


def streamed(served, content: bytes, **config) -> list[dict]:
    """The measurements of the same bytes in an ordinary stream."""
    with connect(address(served), compression=None) as socket:
        first = {"type": "config", "sample_rate": 8000, "encoding": "mulaw"}
        socket.send(json.dumps(first | config))
        for begin in range(0, len(content), FRAME):
            socket.send(content[begin : begin + FRAME])
        socket.send(FINISH)
        return [m for m in rest(socket) if m.pop("type") == "measurement"]


def test_a_call_is_heard_as_a_stream_of_the_same_bytes(served, voice):
    expected = streamed(served, voice, hop=0.5, smoothing="off")
    parameters = {"marks": "true", "hop": "0.5", "smoothing": "off"}
    with called(served, start(**parameters) + media(voice) + STOP) as socket:
        found = marks(rest(socket))
        assert socket.close_code == 1000
    assert any(segment["emotion"] for segment in found)
    assert [Segment.from_dict(one) for one in found] == [Segment.from_dict(one) for one in expected]


def test_a_real_voice_over_the_telephone(ravdess: Path, tiny, tmp_path):
    clip = sorted((ravdess / "Actor_05").iterdir())[20]
    content = as_mulaw(clip)
    store = tmp_path / "results.db"
    with run_service(None, store=f"sqlite:///{store}") as running:
        expected = streamed(running, content, caller="other")
        with called(running, start() + media(content) + STOP) as socket:
            assert rest(socket) == []
    with closing(sqlite3.connect(store)) as database:
        query = "select starts, ends, status, emotion, confidence from sottovoce_results"
        rows = database.execute(f"{query} where caller = ? and kind = 'stream'", [CALL]).fetchall()
    names = ("start", "end", "status", "emotion", "confidence")
    assert [tuple(one[name] for name in names) for one in expected] == [
        (*row[:4], pytest.approx(row[4], abs=1e-6) if row[4] else row[4]) for row in rows
    ]
    assert any(row[3] for row in rows)


def test_nothing_is_sent_to_a_call_that_wants_no_marks(served, voice):
    with called(served, start() + media(voice) + STOP) as socket:
        assert rest(socket) == []
        assert socket.close_code == 1000


def test_both_tracks_are_followed_apart(served, voice):
    quiet = b"\xff" * len(voice)
    both = [
        one for pair in zip(media(voice), media(quiet, "outbound"), strict=True) for one in pair
    ]
    with called(served, start("inbound", "outbound", marks="true") + both + STOP) as socket:
        found = marks(rest(socket))
    expected = streamed(served, voice)
    heard = [one | {"channel": None} for one in found if one["channel"] == 1]
    assert heard == expected
    other = [one for one in found if one["channel"] == 2]
    assert {one["status"] for one in other} == {"silence"}
    assert len(other) == len(expected)


def test_what_is_missing_of_a_track_is_silence(served, voice):
    first, second = voice[: 8000 * 2], voice[8000 * 2 : 8000 * 3]
    gap = b"\xff" * 16_000
    messages = start(marks="true") + media(first) + media(second, since=4000) + STOP
    with called(served, messages) as socket:
        found = marks(rest(socket))
    assert found == streamed(served, first + gap + second)


def test_times_of_the_future_are_not_believed(served, voice):
    messages = start(marks="true") + media(voice[:16_000]) + media(voice[16_000:], since=10**12)
    with called(served, messages + STOP) as socket:
        assert marks(rest(socket)) == streamed(served, voice)


def test_marks_and_digits_that_come_back_are_left_aside(served, voice):
    others = [
        {"event": "mark", "sequenceNumber": "4", "streamSid": SID, "mark": {"name": "x"}},
        {"event": "dtmf", "streamSid": SID, "dtmf": {"track": "inbound_track", "digit": "1"}},
        {"event": "of some later version", "streamSid": SID},
    ]
    with called(served, start(marks="true") + others + media(voice) + others + STOP) as socket:
        assert marks(rest(socket)) == streamed(served, voice)


@pytest.fixture(scope="module")
def guarded(tiny):
    with run_service(tiny, keys=(KEY,), limits={"idle": 5.0}) as running:
        yield running


def test_a_call_shows_its_key_in_a_parameter(guarded, voice):
    with called(guarded, start(key=KEY, marks="true") + media(voice) + STOP) as socket:
        assert marks(rest(socket))
        assert socket.close_code == 1000
    for wrong in ({}, {"key": KEY + "x"}):
        with called(guarded, start(**wrong)) as socket:
            assert rest(socket) == []
            assert (socket.close_code, socket.close_reason[:10]) == (4401, "no API key")


def changed(**details) -> list[dict]:
    connected, first = start()
    return [connected, first | {"start": first["start"] | details}]


@pytest.mark.parametrize(
    "messages",
    [
        start(hope="1"),
        start(hop="much"),
        start(marks="yes"),
        start(encoding="pcm16"),
        changed(mediaFormat={"encoding": "audio/x-alaw", "sampleRate": 8000, "channels": 1}),
        changed(tracks=[]),
        changed(tracks=["inbound", "other"]),
        media(b"\xff" * FRAME),
        ["no JSON"],
        ["[" * 7000],
        [json.dumps({"event": "connected", "x": "y" * 100_000})],
        [{"event": "connected"}] * 9,
    ],
    ids=lambda messages: json.dumps(messages[-1])[:40],
)
def test_what_opens_no_call_is_closed_after_a_few_messages(served, messages):
    with called(served, (messages * 5)[:20]) as socket:
        assert rest(socket) == []
        assert socket.close_code == 1008
        assert socket.close_reason
    until(lambda: served.service.admission.streams == 0)


def test_a_call_lives_through_a_few_bad_messages_and_is_closed_after_more(served, voice):
    bad = [
        "no JSON",
        {"event": "media", "media": {"track": "inbound", "payload": "n\N{SNOWMAN}ne"}},
        {"event": "media", "media": {"track": "outbound", "payload": ""}},
        {"event": "media"},
    ]
    with called(served, start(marks="true") + bad + media(voice) + STOP) as socket:
        assert marks(rest(socket)) == streamed(served, voice)
    with called(served, [*start(marks="true"), *bad, "again"]) as socket:
        assert rest(socket) == []
        assert socket.close_code == 1008


def test_calls_are_counted(served, voice):
    with called(served, start() + media(voice) + STOP) as socket:
        rest(socket)
    text = get(f"{served.url}/metrics").text
    assert 'sottovoce_requests_total{endpoint="/v1/stream/twilio",status="1000"}' in text
