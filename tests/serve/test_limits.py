"""Nobody can use the service up: sizes, lengths, times and numbers are bounded."""

import socket
import threading
import time
import tracemalloc

import numpy as np
import pytest
from serving import (
    PREDICT,
    WAV,
    form,
    get,
    is_closed,
    post,
    raw_post,
    read_answer,
    run_service,
    sound,
    status_of,
    until,
)

from sottovoce.serve.errors import ServiceError
from sottovoce.serve.server import UNREAD_TIMEOUT, bind


@pytest.fixture(scope="module")
def bomb():
    """Three hours of silence in a few bytes."""
    return sound(np.zeros(3 * 3600 * 8000, np.int16), 8000, "FLAC")


def test_a_small_file_of_hours_is_refused_before_it_is_decoded_whole(served, http, bomb):
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    response = http.post(PREDICT, content=bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_long")
    whole = 3 * 3600 * served.service.models["tiny"].card.sample_rate * 4
    assert peak < whole / 4


def test_whatever_the_format_a_recording_may_be_so_long(tiny):
    opus = sound(np.zeros(20 * 8000), 8000, "OGG", "OPUS")
    assert len(opus) < 10_000
    with run_service(tiny, limits={"duration": 10.0}) as running:
        response = post(f"{running.url}{PREDICT}", content=opus)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_long")


def test_a_timeline_ends_at_its_limit_too(tiny, bomb):
    with run_service(tiny, limits={"timeline": 30.0}) as running:
        response = post(f"{running.url}/v1/timeline?hop=3", content=bomb)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_long")


@pytest.mark.parametrize("path", [PREDICT, "/v1/timeline"])
def test_a_recording_that_takes_too_long_is_given_up(tiny, bomb, path):
    with run_service(tiny, limits={"work": 1e-6}) as running:
        response = post(f"{running.url}{path}", content=bomb)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_much_work")


@pytest.fixture(scope="module")
def small(tiny):
    """A service with limits that are soon reached."""
    limits = {"upload": 200_000, "memory": 300_000, "recordings": 2, "receive": 0.5, "requests": 2}
    with run_service(tiny, limits=limits) as running:
        yield running


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(small):
    big = bytes(200_001)
    assert status_of(small.raw(raw_post(PREDICT, b"", length=10**15))) == 413

    def pieces():
        yield big

    for content in (big, pieces()):
        response = post(f"{small.url}{PREDICT}", content=content)
        assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


def test_there_may_be_so_many_recordings_in_a_request(small):
    silence = sound(np.zeros(8000))
    files = [("file", silence)] * 3
    assert post(f"{small.url}{PREDICT}", files=files[:2]).status_code == 200
    response = post(f"{small.url}{PREDICT}", files=files)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_many")


def test_a_form_of_many_small_parts_is_refused_before_all_of_it_has_come(small):
    with socket.create_connection(small.address, timeout=10) as connection:
        parts = form(*[b""] * 3)
        kind = b"Content-Type: multipart/form-data; boundary=cut"
        connection.sendall(raw_post(PREDICT, parts, kind, length=100_000))
        answer = read_answer(connection)
    assert status_of(answer) == 413
    assert b'"too_many"' in answer


def test_the_files_of_a_form_are_in_memory_once(served, http):
    silence = sound(np.zeros(4_000_000, np.int16))
    files = [("file", silence)] * 4
    request = http.build_request("POST", f"{PREDICT}?model=tiny", files=files)
    content = request.read()
    peaks = []

    def predict(*_):
        peaks.append(tracemalloc.get_traced_memory()[0])
        raise ServiceError(422, "unreadable", "not looked at")

    real, served.service.predict = served.service.predict, predict
    tracemalloc.start()
    try:
        response = http.post(PREDICT, content=content, headers=request.headers)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        served.service.predict = real
    assert response.status_code == 200
    assert max(peaks) < 4.5 * len(silence)
    assert peak < 7.5 * len(silence)  # never all of them twice


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"0x10", b"12, 13"])
def test_a_length_that_is_no_number_is_refused(small, length):
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %b\r\n\r\n" % length
    answer = small.raw(head + b"x" * 20)
    assert status_of(answer) in (400, 422)


def test_a_client_that_sends_less_than_it_says_is_not_waited_for(small):
    begun = time.monotonic()
    answer = small.raw(raw_post(PREDICT, WAV[:1000], length=2000))
    assert status_of(answer) == 408
    assert time.monotonic() - begun < 5
    assert small.service.admission.held == 0


def test_a_slow_client_is_answered_if_it_is_done_in_time(small):
    request = raw_post(PREDICT, WAV)
    with socket.create_connection(small.address, timeout=10) as connection:
        connection.sendall(request[:5000])
        until(lambda: small.service.admission.held > 0)
        connection.sendall(request[5000:])
        assert status_of(read_answer(connection)) == 200


def test_one_too_many_at_a_time_is_told_when_to_come_again(small):
    waiting = [socket.create_connection(small.address) for _ in range(2)]
    for connection in waiting:
        connection.sendall(raw_post(PREDICT, WAV[:10], length=100))
    until(lambda: small.service.admission.requests == 2)
    response = post(f"{small.url}{PREDICT}", content=WAV)
    assert (response.status_code, response.json()["error"]["code"]) == (429, "too_busy")
    assert int(response.headers["retry-after"]) > 0
    assert get(f"{small.url}/healthz").status_code == 200
    for connection in waiting:
        connection.close()
    until(lambda: small.service.admission.requests == 0)
    assert post(f"{small.url}{PREDICT}", content=WAV).status_code == 200


def test_all_requests_together_hold_so_many_bytes(small):
    with socket.create_connection(small.address) as connection:
        connection.sendall(raw_post(PREDICT, bytes(150_000), length=200_000))
        until(lambda: small.service.admission.held == 150_000)
        response = post(f"{small.url}{PREDICT}", content=bytes(160_000))
        assert (response.status_code, response.json()["error"]["code"]) == (429, "too_busy")
    until(lambda: small.service.admission.held == 0)


@pytest.mark.parametrize("body", [WAV, form(WAV, WAV)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(served, body, share):
    kind = b"Content-Type: multipart/form-data; boundary=cut" if body is not WAV else b"X: y"
    request = raw_post(PREDICT, body, kind)
    sent = len(request) - len(body) + int(share * len(body))
    for _ in range(5):
        with socket.create_connection(served.address) as connection:
            connection.sendall(request[:sent])
    until(lambda: served.service.admission.requests == 0)
    assert served.service.admission.held == 0
    assert post(f"{served.url}{PREDICT}", content=WAV).status_code == 200


def test_what_is_no_http_is_answered_and_the_service_lives_on(served):
    for junk in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"\0" * 99,
    ):
        with socket.create_connection(served.address) as connection:
            connection.sendall(junk)
            connection.settimeout(5)
            assert connection.recv(1000)[:12] in (b"HTTP/1.1 400", b"")
    assert get(f"{served.url}/healthz").status_code == 200


def test_uploads_are_never_written_to_the_disk(served, http, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise AssertionError("a temporary file")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(f"tempfile.{name}", refuse)
    long = sound(np.zeros(3_000_000))
    files = [("file", long), ("file", WAV)]
    answers = http.post(PREDICT, files=files).json()["predictions"]
    assert [answer["status"] for answer in answers] == ["silence", "ok"]
    assert http.post("/v1/timeline", content=long).status_code == 200


def test_threads_and_connections_do_not_grow_with_requests(served, http):
    for _ in range(3):
        http.post(PREDICT, content=WAV)
    http.post("/v1/timeline", content=WAV)
    before = threading.active_count()
    for _ in range(20):
        http.post(PREDICT, content=WAV)
        http.post("/v1/timeline", content=WAV)
    assert threading.active_count() <= before + 8  # the pools fill up to their size
    assert len(served.server.server_state.connections) <= 2


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"POST /v1/predict HTTP/1.1\r\nHost:",
        raw_post(PREDICT, b"", length=10**9),  # refused, and its body never comes
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET",
    ],
)
def test_a_connection_without_a_request_is_closed_after_a_while(small, first):
    with socket.create_connection(small.address, timeout=10) as connection:
        connection.sendall(first)
        begun = time.monotonic()
        while connection.recv(1000):
            assert time.monotonic() - begun < 10


def is_closed_on(connection: socket.socket, piece: bytes, *, times: int, seconds: float = 0.0):
    """Whether the server closes the connection before so many pieces were sent.

    Args:
        seconds: to wait for that after each piece.
    """
    try:
        for _ in range(times):
            connection.sendall(piece)
            if is_closed(connection, seconds):
                return True
    except OSError:
        return True
    return False


def test_a_head_that_comes_in_drops_is_not_waited_for(small):
    with socket.create_connection(small.address, timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert is_closed_on(connection, b"a: b\r\n", times=500, seconds=0.02)


def test_a_connection_that_goes_on_asking_is_kept(small):
    with socket.create_connection(small.address, timeout=10) as connection:
        for _ in range(2):  # as long as two others, that ask nothing, are kept in turn
            with socket.create_connection(small.address) as idle:
                while not is_closed(idle):
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert status_of(read_answer(connection)) == 200


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET /healthz HTTP/1.1\r\n", b"a: b\r\n"),
        (b"GET /healthz HTTP/1.1\r\na: ", b"b" * 1000),
        (b"GET /", b"x" * 1000),
        (b"POST /v1/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    ],
)
def test_headers_without_end_are_refused(served, begin, more):
    with socket.create_connection(served.address, timeout=10) as connection:
        connection.sendall(begin)
        assert is_closed_on(connection, more * 100, times=20_000_000 // len(more * 100))
    until(lambda: served.service.admission.requests == 0)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nlong\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
    ],
)
def test_a_request_of_two_lengths_or_of_none_is_refused(served, head):
    answer = served.raw(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n" + head)
    assert status_of(answer) == 400
    until(lambda: served.service.admission.requests == 0)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
def test_a_client_that_does_not_read_is_dropped_by_the_system():
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert (
                accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNREAD_TIMEOUT
            )


@pytest.mark.parametrize("option", ["lookahead=1e9", "hold=1e308", "lookahead=1e308&hop=0.1"])
def test_work_that_grows_without_bound_cannot_be_asked_for(http, option):
    response = http.post(f"/v1/timeline?{option}", content=WAV)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "bad_option")
