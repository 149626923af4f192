"""A service starts, stops and is restarted without losing what it has in hand."""

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from serving import (
    PREDICT,
    WAV,
    Process,
    get,
    post,
    raw_post,
    read_answer,
    run_service,
    sound,
    status_of,
    until,
)
from tiny_model import RATE, VOICE

from sottovoce.audio import Audio
from sottovoce.errors import SottovoceError
from sottovoce.serve import Settings, create_app
from sottovoce.serve.middleware import RequestLogMiddleware
from sottovoce.serve.server import bind


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_told_to_stop_first_answers_what_it_has(tiny, number):
    process = Process("--model", tiny)
    host, _, port = process.url.removeprefix("http://").partition(":")
    long = sound(np.zeros(16_000 * 300), kind="FLAC")
    request = raw_post("/v1/timeline?hop=0.5", long)
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(request[:-10])
        until(lambda: "in_progress 1.0" in get(f"{process.url}/metrics").text)
        process.process.send_signal(number)
        connection.sendall(request[-10:])
        answer = read_answer(connection)
    assert status_of(answer) == 200
    _, log = process.process.communicate(timeout=30)
    assert process.process.returncode == 0
    assert "POST /v1/timeline 200" in log
    assert "Traceback" not in log


def test_whoever_presses_ctrl_c_twice_has_had_enough(tiny):
    process = Process("--model", tiny)
    host, _, port = process.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(raw_post(PREDICT, WAV[:10], length=100))
        until(lambda: "in_progress 1.0" in get(f"{process.url}/metrics").text)
        process.process.send_signal(signal.SIGINT)
        until(lambda: not process.answers())
        status, log = process.end(signal.SIGINT)
    assert status == 128 + signal.SIGINT
    assert "Traceback" not in log


def test_a_service_that_is_stopping_takes_nothing_new(tiny):
    with run_service(tiny) as running, socket.create_connection(running.address) as old:
        old.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_answer(old)
        running.service.admission.stopping = True
        old.sendall(raw_post(PREDICT, WAV))
        answer = read_answer(old)
        assert status_of(answer) == 503
        assert b"retry-after: 5" in answer.lower()
        ready = get(f"{running.url}/readyz")
        assert (ready.status_code, ready.json()) == (503, {"status": "stopping"})


def test_a_client_that_never_ends_its_request_holds_up_a_stop_only_so_long(tiny):
    limits = {"drain": 0.5}
    with (
        run_service(tiny, limits=limits) as running,
        socket.create_connection(running.address) as connection,
    ):
        connection.sendall(raw_post(PREDICT, WAV[:10], length=100))
        until(lambda: running.service.admission.requests == 1)
        running.stop()
    assert running.service.admission.requests == 0


def test_a_service_started_again_on_the_same_port_answers(tiny):
    first = Process("--model", tiny, "--quiet")
    port = first.url.rpartition(":")[2]
    post(f"{first.url}{PREDICT}", content=WAV)
    status, log = first.end(signal.SIGKILL)
    assert (status, log) == (-signal.SIGKILL, "")
    with run_service(tiny), bind("127.0.0.1", int(port)) as listener:
        assert listener.getsockname()[1] == int(port)


def test_a_port_that_is_taken_is_told(tiny):
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SottovoceError, match=f"127.0.0.1:{port} cannot be listened on"):
            bind("127.0.0.1", port)


def test_keys_in_the_environment_are_asked_for(tiny):
    process = Process("--model", tiny, SOTTOVOCE_API_KEYS="0123456789abcdef")
    assert get(f"{process.url}/v1/models").status_code == 401
    headers = {"Authorization": "Bearer 0123456789abcdef"}
    assert get(f"{process.url}/v1/models", headers=headers).status_code == 200
    _, log = process.end()
    assert "0123456789abcdef" not in log


def test_two_models_are_served_side_by_side(tiny, tmp_path):
    from tiny_model import tiny_card, write_tiny

    other = write_tiny(tmp_path / "other.onnx", card=tiny_card(name="other"))
    process = Process("--model", tiny, "--model", other)
    names = [listed["name"] for listed in get(f"{process.url}/v1/models").json()["models"]]
    assert names == ["tiny", "other"]
    (answer,) = post(f"{process.url}{PREDICT}?model=other", content=WAV).json()["predictions"]
    assert answer["model"] == "other 1.0"
    process.end()


def test_two_models_of_one_name_are_refused(tiny):
    with pytest.raises(SottovoceError, match="two models are called tiny"):
        create_app(Settings(models=(str(tiny), str(tiny))))


def test_an_error_that_nobody_thought_of_is_told_without_its_details(tiny):
    with run_service(tiny) as running:

        def broken(*_):
            raise ZeroDivisionError("a secret")

        running.service.predict = broken
        answer = post(f"{running.url}{PREDICT}", content=WAV)
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "internal"
        assert "secret" not in answer.text
        running.service.predict = lambda *_: [running.service.models["tiny"].predict(WAV)]
        assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 200
        assert 'status="500"} 1.0' in get(f"{running.url}/metrics").text


def test_what_watches_lets_the_lifespan_of_the_app_through():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    watching = RequestLogMiddleware(app, None)
    with pytest.raises(StopIteration):
        watching({"type": "lifespan"}, None, None).send(None)
    assert seen == ["lifespan"]


def test_serving_loads_nothing_of_the_learning_half(tiny):
    code = (
        "import sys; from sottovoce.serve import Settings, create_app;"
        f"create_app(Settings(models=({str(tiny)!r},)));"
        "import sottovoce.client, json;"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"torch", "librosa", "sklearn", "pandas", "lightning", "onnx", "scipy"}


def test_a_service_leaves_no_thread_behind(tiny):
    before = set(threading.enumerate())
    with run_service(tiny) as running:
        post(f"{running.url}{PREDICT}", content=WAV)
        post(f"{running.url}/v1/timeline", content=WAV)
    until(lambda: set(threading.enumerate()) <= before)


def resident(process: int) -> int:
    """Bytes of memory that a process has."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told so")
def test_what_large_uploads_took_goes_back_to_the_system(tiny):
    samples = np.tile(Audio.read(VOICE).samples[0], 100)[: 300 * RATE]
    long = sound(samples, RATE)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:2])  # so many recordings are judged at a time
    try:
        process = Process("--model", tiny, "--quiet")
    finally:
        os.sched_setaffinity(0, before)
    try:
        post(process.url + PREDICT, content=long)
        small = resident(process.process.pid)
        for _ in range(2):
            with ThreadPoolExecutor(6) as pool:
                answers = list(
                    pool.map(lambda _: post(process.url + PREDICT, content=long), range(6))
                )
            assert all(answer.is_success for answer in answers)
        assert resident(process.process.pid) - small < 6 * (len(long) + samples.nbytes)
    finally:
        process.end()


def test_work_that_outlasts_a_stop_is_given_up(tiny):
    long = sound(np.zeros(16_000 * 3600, np.int16), kind="FLAC")
    with run_service(tiny, limits={"drain": 0.2}) as running:
        with socket.create_connection(running.address) as connection:
            connection.sendall(raw_post("/v1/timeline?hop=0.1&smoothing=off", long))
            until(lambda: running.service.admission.held == len(long))
            running.stop()
        assert running.service.admission.requests == 0
