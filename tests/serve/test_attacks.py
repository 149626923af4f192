"""What was tried against the service, over real sockets: each must leave it to those with a key."""

import json
import logging
import socket
import sqlite3
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import numpy as np
import pytest
import sqlalchemy
from serving import (
    FINISH,
    PREDICT,
    WAV,
    address,
    get,
    is_closed,
    post,
    raw_post,
    read_answer,
    rest,
    run_service,
    sound,
    status_of,
    until,
)
from tiny_model import RATE
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sottovoce.options import Limits
from sottovoce.serve import Settings, server, service
from sottovoce.serve.auth import read_keys
from sottovoce.serve.service import WorkLimit
from sottovoce.serve.stream_messages import StreamConfig

KEY = "0123456789abcdef"
HEADERS = {"X-API-Key": KEY}
CONFIG = {"type": "config", "sample_rate": RATE}


@pytest.fixture(scope="module")
def guarded(tiny):
    limits = {"streams": 2, "requests": 2, "strangers": 2, "key_wait": 1.0}
    with run_service(tiny, keys=(KEY,), limits=limits) as running:
        yield running


def holder_is_served(running) -> bool:
    """Whether a key holder's request and stream are answered."""
    response = post(f"{running.url}{PREDICT}", content=WAV, headers=HEADERS)
    with connect(address(running), additional_headers=HEADERS) as stream:
        stream.send(json.dumps(CONFIG))
        stream.send(FINISH)
        return response.status_code == 200 and rest(stream)[-1]["type"] == "finished"


def test_a_long_first_message_is_not_parsed(guarded, monkeypatch):
    def parse(_):
        raise AssertionError("it was parsed")

    monkeypatch.setattr(StreamConfig, "from_text", parse)
    many = json.dumps(CONFIG | {f"field {n}": n for n in range(150_000)})
    assert len(many) > 3_000_000
    for text in (many, many[:8001]):
        with connect(address(guarded), compression=None) as stream:
            stream.send(text)
            problem = json.loads(stream.recv(timeout=10))
            assert (problem["type"], problem["code"]) == ("error", "bad_config")


def test_configs_are_parsed_beside_the_event_loop(served, monkeypatch):
    real, threads = StreamConfig.from_text, []

    def parse(text):
        threads.append(threading.current_thread())
        return real(text)

    monkeypatch.setattr(StreamConfig, "from_text", parse)
    with connect(address(served)) as stream:
        stream.send(json.dumps(CONFIG))
        stream.recv(timeout=10)
    (thread,) = threads
    assert thread.name.startswith("sottovoce-stream")
    assert thread is not served.thread


@pytest.mark.parametrize("message", ["{}", b"\0\0", "x" * 100_000])
def test_a_socket_is_closed_after_a_few_bad_messages(guarded, served, message):
    for running in (guarded, served):
        with connect(address(running), compression=None) as stream:
            for _ in range(5):
                stream.send(message)
            problems = rest(stream)
            assert stream.close_code == 1008
        assert [problem["type"] for problem in problems] == ["error"] * 5
        until(lambda running=running: running.service.admission.streams == 0)


def test_sockets_without_a_key_take_no_place(guarded):
    until(lambda: guarded.service.admission.strangers.total() == 0)
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(address(guarded))) for _ in range(2)]
        with pytest.raises(InvalidStatus) as refused, connect(address(guarded)):
            pass
        assert refused.value.response.status_code == 429
        assert holder_is_served(guarded)
        for stream in idle:  # and are not kept for long
            assert rest(stream)[-1]["code"] == "idle"
            assert stream.close_code == 4408
    until(lambda: guarded.service.admission.strangers.total() == 0)


def test_a_key_in_the_config_takes_a_place_and_gives_the_other_back(guarded):
    with ExitStack() as stack:
        for _ in range(2):
            stream = stack.enter_context(connect(address(guarded)))
            stream.send(json.dumps(CONFIG | {"key": KEY}))
            assert json.loads(stream.recv(timeout=10))["type"] == "ready"
        assert guarded.service.admission.strangers.total() == 0
        with connect(address(guarded)) as late:
            late.send(json.dumps(CONFIG | {"key": KEY}))
            assert rest(late)[-1]["code"] == "too_busy"
            assert late.close_code == 1013
    until(lambda: guarded.service.admission.streams == 0)


def test_slow_bodies_without_a_key_take_no_place(guarded):
    with ExitStack() as stack:
        for _ in range(20):
            slow = stack.enter_context(socket.create_connection(guarded.address, timeout=10))
            slow.sendall(raw_post(PREDICT, b"RIFF", length=100_000))
            assert status_of(read_answer(slow)) == 401
        assert guarded.service.admission.requests == 0
        assert holder_is_served(guarded)


def test_a_database_that_hangs_stops_no_answer(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "PROBE_TIMEOUT", 0.2)
    go = threading.Event()
    with run_service(tiny, store=f"sqlite:///{tmp_path / 'results.db'}") as running:
        store, asked = running.service.store, []

        def hang(*_):
            asked.append(threading.current_thread())
            go.wait(20)
            return True

        monkeypatch.setattr(store, "is_usable", hang)
        with ThreadPoolExecutor(40) as pool:
            probes = [pool.submit(get, f"{running.url}/readyz") for _ in range(40)]
            assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 200
            answers = [probe.result() for probe in probes]
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.json()["status"] for answer in answers} == {"no store"}
        assert len(asked) == 1
        go.set()
        until(lambda: get(f"{running.url}/readyz").status_code == 200)


def stored(file) -> int:
    with closing(sqlite3.connect(file)) as database:
        return database.execute("select count(*) from sottovoce_results").fetchone()[0]


def test_a_failed_write_is_told_until_one_succeeds_and_waited_for_once(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "STORE_TIMEOUT", 1.0)
    monkeypatch.setattr(service, "PROBE_TIMEOUT", 0.2)
    file, waits = tmp_path / "results.db", []
    with (
        run_service(tiny, store=f"sqlite:///{file}") as running,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        other.execute("begin immediate")
        for _ in range(3):
            begun = time.monotonic()
            assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 200
            waits.append(time.monotonic() - begun)
        assert get(f"{running.url}/readyz").json() == {"status": "no store"}
        other.execute("rollback")
        until(lambda: get(f"{running.url}/readyz").status_code == 200)
        assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 200
        text = get(f"{running.url}/metrics").text
    assert waits[0] > 1.0 > max(waits[1:])
    assert "sottovoce_unstored_total 3.0" in text
    assert stored(file) >= 1
    with closing(sqlite3.connect(file)) as database:  # the tries left nothing behind
        kinds = database.execute("select distinct kind from sottovoce_results").fetchall()
    assert kinds == [("predict",)]


def test_a_full_disk_is_told(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(service, "PROBE_TIMEOUT", 0.2)
    file = tmp_path / "results.db"
    with run_service(tiny, store=f"sqlite:///{file}") as running:
        engine, is_full = running.service.store._engine, True

        def limit(connection, _):
            if is_full:
                connection.execute("pragma max_page_count = 1").close()

        sqlalchemy.event.listen(engine, "connect", limit)
        engine.dispose()
        for n in range(60):  # until its last page is full too
            assert post(f"{running.url}{PREDICT}?caller={n:0>128}", content=WAV).is_success
            if running.service.store.failing:
                break
        assert get(f"{running.url}/readyz").json() == {"status": "no store"}
        assert "sottovoce_unstored_total 1.0" in get(f"{running.url}/metrics").text
        is_full = False
        engine.dispose()
        until(lambda: get(f"{running.url}/readyz").status_code == 200)


def test_results_go_into_no_file_that_was_deleted(tiny, tmp_path):
    file = tmp_path / "results.db"
    with run_service(tiny, store=f"sqlite:///{file}") as running:
        post(f"{running.url}{PREDICT}", content=WAV)
        assert stored(file) == 1
        for path in tmp_path.iterdir():
            path.unlink()
        assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 200
        assert stored(file) == 1
        file.rename(tmp_path / "older.db")
        assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 200
        assert stored(file) == 1
        assert get(f"{running.url}/readyz").status_code == 200


def test_a_file_that_was_deleted_and_cannot_be_made_again_is_told(tiny, tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()
    with run_service(tiny, store=f"sqlite:///{folder / 'results.db'}") as running:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        assert get(f"{running.url}/readyz").json() == {"status": "no store"}
        assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 200
        assert "sottovoce_unstored_total 1.0" in get(f"{running.url}/metrics").text
        assert get(f"{running.url}/readyz").json() == {"status": "no store"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("localhost:8000", 200), ("LOCALHOST.", 200), ("127.0.0.1:1", 200),
        ("[::1]:8000", 200), ("[::1]", 200), ("rebound.example.org", 403),
        ("rebound.example.org:8000", 403), ("localhost.example.org", 403), ("192.168.0.9", 403),
        ("", 403), ("::::", 403),
    ],
)  # fmt: skip
def test_without_keys_only_its_own_names_are_served(served, guarded, host, status):
    for path, expected in (("/v1/models", status), ("/healthz", 200)):
        assert get(f"{served.url}{path}", headers={"Host": host}).status_code == expected
    assert post(f"{served.url}{PREDICT}", content=WAV, headers={"Host": host}).status_code == status
    response = get(f"{guarded.url}/v1/models", headers={"Host": host, **HEADERS})
    assert response.status_code == 200


def test_a_socket_of_a_rebound_name_is_refused(served):
    name = f"rebound.example.org:{served.address[1]}"
    with (
        pytest.raises(InvalidStatus) as refused,
        socket.create_connection(served.address) as connection,
        connect(f"ws://{name}/v1/stream", sock=connection, origin=f"http://{name}"),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_the_names_that_it_is_bound_to_and_told_are_its_own():
    settings = Settings(hosts=("voice.lan", "example.org"))
    assert settings.is_own_host("Voice.LAN:8000")
    assert not settings.is_own_host("10.0.0.1")
    everywhere = Settings(hosts=("0.0.0.0",))  # noqa: S104
    assert everywhere.is_own_host("10.0.0.1:8000")
    assert everywhere.is_own_host("[fe80::1]:8000")
    assert not everywhere.is_own_host("rebound.example.org")


@pytest.mark.parametrize("path", [PREDICT, "/v1/timeline", "/v1/profile"])
@pytest.mark.parametrize("origin", ["https://example.com", "null", "http://localhost:1"])
def test_a_form_of_another_site_is_refused(served, path, origin):
    response = post(f"{served.url}{path}", files={"file": WAV}, headers={"Origin": origin})
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "bad_origin"


def test_a_form_of_the_service_s_own_page_is_taken(served):
    response = post(f"{served.url}{PREDICT}", files={"file": WAV}, headers={"Origin": served.url})
    assert response.status_code == 200


def test_a_wrong_key_hides_no_right_one(guarded):
    both = {"Authorization": "Bearer wrong", **HEADERS}
    assert get(f"{guarded.url}/v1/models", headers=both).status_code == 200
    with connect(address(guarded), additional_headers=both):
        pass


def test_all_recordings_of_a_request_share_one_time(tiny):
    long = sound(np.zeros(RATE * 60, np.int16), kind="FLAC")
    with run_service(tiny, limits={"work": 1e-6}) as running:
        real, seen = running.service.predict, set()

        def predict(*arguments):
            seen.add(arguments[-1])
            return real(*arguments)

        running.service.predict = predict
        answer = post(f"{running.url}{PREDICT}", files=[("file", long)] * 4).json()
    assert [each["status"] for each in answer["predictions"]] == ["error"] * 4
    assert "takes longer" in answer["predictions"][-1]["message"]
    assert len(seen) == 1


def test_a_timeline_has_so_many_segments_of_all_channels(tiny):
    wide = sound(np.zeros((RATE * 4, 8), np.int16), kind="FLAC")
    with run_service(tiny, limits={"segments": 30}) as running:
        for query, status in (("hop=1", 200), ("hop=1&channels=split", 413), ("hop=0.1", 413)):
            response = post(f"{running.url}/v1/timeline?{query}", content=wide)
            assert response.status_code == status
        assert response.json()["error"]["code"] == "too_much_work"


@pytest.fixture(scope="module")
def wide_bomb():
    """Ten minutes of silence in eight channels: 38 million samples in a few kilobytes."""
    return sound(np.zeros((600 * 8000, 8), np.int16), 8000, "FLAC")


@pytest.mark.parametrize(
    "path",
    [
        *(PREDICT, f"{PREDICT}?channels=split", "/v1/profile", "/v1/peaks"),
        *("/v1/timeline", "/v1/timeline?channels=split", "/v1/timeline?hop=3&window=3"),
    ],
)
def test_samples_are_counted_in_all_channels(tiny, wide_bomb, path):
    assert len(wide_bomb) < 1_000_000
    with run_service(tiny, limits={"samples": 8_000_000}) as running:
        response = post(f"{running.url}{path}", content=wide_bomb)
        assert (response.status_code, response.json()["error"]["code"]) == (413, "too_much_work")
        assert "more than 8000000 samples" in response.json()["error"]["message"]
        assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 200


def test_samples_are_counted_in_all_recordings_of_a_request(tiny, wide_bomb):
    with run_service(tiny, limits={"samples": 50_000_000}) as running:
        files = [("file", wide_bomb)] * 3
        answer = post(f"{running.url}{PREDICT}", files=files).json()
    assert [each["status"] for each in answer["predictions"]][1:] == ["error"] * 2


def test_many_channels_take_no_more_memory_than_few(tiny):
    """Up to a minute is heard as a whole, but not of whatever there is in it."""
    minute = sound(np.zeros((50 * 96_000, 8), np.int16), 96_000, "FLAC")
    with run_service(tiny) as running:
        tracemalloc.start()
        response = post(f"{running.url}{PREDICT}?channels=split", content=minute)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert response.status_code == 200
    assert peak < 50 * 96_000 * 8 * 4


def test_long_work_makes_room_for_others_alone():
    slept = []
    for others in (False, True):
        limit = WorkLimit(600, Limits(), threading.Event(), lambda: others)  # noqa: B023
        limit.check(0)
        limit._deadline -= 2  # it has taken two seconds
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        begun = time.monotonic()
        limit.check(1)
        slept.append(time.monotonic() - begun)
    assert slept[1] >= 0.09 > slept[0]


@pytest.mark.parametrize("leave", [socket.socket.close, lambda s: s.shutdown(socket.SHUT_WR)])
@pytest.mark.parametrize("path", [PREDICT, "/v1/timeline", "/v1/profile"])
def test_work_ends_when_its_sender_has_left(tiny, monkeypatch, path, leave):
    monkeypatch.setattr(server, "HALF_CLOSED", 0.2)
    begun, ended = threading.Event(), threading.Event()

    def work(*arguments):
        begun.set()
        try:
            while True:
                arguments[-1].check(0)
        finally:
            ended.set()

    with run_service(tiny) as running:
        for name in ("predict", "timeline", "make_profile"):
            monkeypatch.setattr(running.service, name, work)
        connection = socket.create_connection(running.address, timeout=10)
        with connection:
            connection.sendall(raw_post(path, WAV))
            assert begun.wait(10)
            leave(connection)
            assert ended.wait(10)
        until(lambda: running.service.admission.requests == 0)


def test_who_asks_for_much_leaves_places_to_others(tiny):
    with run_service(tiny, keys=(KEY, KEY[::-1])) as running:
        go, real = threading.Event(), running.service.predict

        def predict(model, content, *arguments):
            if content != WAV:
                go.wait(20)
            return real(model, content, *arguments)

        running.service.predict = predict
        files = [("file", sound(np.zeros(RATE)))] * 64
        other = {"X-API-Key": KEY[::-1]}
        with ThreadPoolExecutor(4) as pool:
            url = f"{running.url}{PREDICT}"
            greedy = [pool.submit(post, url, files=files, headers=other) for _ in range(4)]
            until(lambda: running.service.admission.requests == 4)
            assert post(url, content=WAV, headers=HEADERS).status_code == 200
            go.set()
            assert {one.result().status_code for one in greedy} == {200}


@pytest.mark.parametrize("path", [PREDICT, "/v1/timeline"])
def test_a_client_that_has_nothing_more_to_say_is_answered(served, path):
    with socket.create_connection(served.address, timeout=10) as connection:
        connection.sendall(raw_post(path, WAV))
        connection.shutdown(socket.SHUT_WR)
        assert status_of(read_answer(connection)) == 200
        assert is_closed(connection, 10)


def test_a_refused_socket_is_no_error_of_the_service(guarded, served, caplog):
    caplog.set_level(logging.INFO)
    for running, how in (
        (guarded, {"additional_headers": {"X-API-Key": "wrong"}}),
        (served, {"origin": "https://example.com"}),
    ):
        with pytest.raises(InvalidStatus), connect(address(running), **how):
            pass
    head = HANDSHAKE + b"Origin: null\r\n\r\n"
    for leave in (True, False):  # before, and after it has read the answer
        with socket.create_connection(served.address, timeout=10) as connection:
            connection.sendall(head)
            if not leave:
                assert status_of(read_answer(connection)) == 403
    unknown = f"{address(served)}/nowhere"
    with pytest.raises(InvalidStatus), connect(unknown):
        pass
    until(lambda: sum("WS /v1/stream 403" in record.message for record in caplog.records) >= 3)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_a_key_file_of_windows_is_read(tmp_path):
    file = tmp_path / "keys.txt"
    file.write_bytes(b"\xef\xbb\xbf" + KEY.encode() + b"\r\n")
    assert read_keys(file, {}) == [KEY]


HANDSHAKE = (
    b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("head", "headers", "status"),
    [
        (REQUEST, [60_000], 200),
        (REQUEST, [65_000], 200),
        (REQUEST, [66_000], 400),
        (REQUEST, [10] * 4000, 400),
        (HANDSHAKE, [8000], 101),
        (HANDSHAKE, [10] * 100, 101),
        (HANDSHAKE, [8200], 400),
        (HANDSHAKE, [60_000], 400),
        (HANDSHAKE, [10] * 130, 400),
        (HANDSHAKE, [10] * 4000, 400),
    ],
)
def test_heads_may_be_as_long_as_the_page_says(served, head, headers, status):
    lines = [b"X-%d: %b\r\n" % (n, b"x" * size) for n, size in enumerate(headers)]
    with socket.create_connection(served.address, timeout=10) as connection:
        connection.sendall(head + b"".join(lines) + b"\r\n")
        assert status_of(connection.recv(65_536)) == status
        assert status != 400 or is_closed(connection, 10)
