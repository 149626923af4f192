"""Results in a database: what is kept, what is not, and what a crash leaves."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import sqlalchemy
from serving import PREDICT, WAV, Process, get, post, run_service, sound, until
from tiny_model import RATE, VOICE

from sottovoce.audio import Audio
from sottovoce.client import Client
from sottovoce.errors import MissingExtraError, SottovoceError, install_line
from sottovoce.results import Prediction, Status
from sottovoce.serve import Settings
from sottovoce.serve import service as service_module
from sottovoce.serve import store as store_module
from sottovoce.serve.store import RECORDINGS, RESULTS, Store, result_rows


@pytest.fixture(scope="session")
def postgresql():
    """The address of a real PostgreSQL, started for the tests; skips them where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    command = str(found[-1]) if found else shutil.which("pg_ctl")
    if command is None:
        pytest.skip("PostgreSQL is needed: install Debian's postgresql")
    with tempfile.TemporaryDirectory() as name:  # pytest's own are closed to other users
        folder = Path(name)
        run = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
        if os.getuid() == 0:  # it refuses to run as root
            run["user"] = "postgres"
            shutil.chown(folder, "postgres")
        data, password = folder / "data", folder / "password"
        password.write_text("swordfish")
        with_password = f"-A scram-sha-256 -U tester --pwfile={password} -N"
        subprocess.run([command, "init", "-D", data, "-o", with_password], **run)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -F"
        log = ["-l", folder / "log"]
        subprocess.run([command, "start", "-w", "-D", data, "-o", options, *log], **run)
        yield f"postgresql://tester:swordfish@127.0.0.1:{port}/postgres"
        subprocess.run([command, "stop", "-m", "immediate", "-D", data], **run)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty store of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'results.db'}"
        return
    address = request.getfixturevalue("postgresql")
    yield address
    with engine(address).begin() as connection:
        store_module.METADATA.drop_all(connection)


def engine(url):
    kind, _, rest = url.partition("://")
    return sqlalchemy.create_engine(
        f"{store_module.DRIVERS[kind]}://{rest}", poolclass=sqlalchemy.NullPool
    )


def kept(url, table=RESULTS):
    with engine(url).connect() as connection:
        return connection.execute(sqlalchemy.select(table)).mappings().all()


def test_what_was_answered_is_kept_with_the_caller_s_id(tiny, url):
    with run_service(tiny, store=url) as running, Client(running.url) as client:
        prediction = client.predict(VOICE, caller="visit 7")
        client.predict_many([VOICE, sound(np.zeros(RATE)), b"no audio"], caller="visit 8")
        timeline = client.timeline(VOICE, hop=1.5)
        with client.stream(RATE, caller="visit 9") as live:
            live.feed(Audio.read(VOICE).samples)
            list(live.finish())
    rows = kept(url)
    first = rows[0]
    assert (first["kind"], first["caller"], first["status"]) == ("predict", "visit 7", "ok")
    assert (first["emotion"], first["model"]) == (prediction.emotion, "tiny 1.0")
    assert first["confidence"] == pytest.approx(prediction.confidence)
    assert first["probabilities"] == pytest.approx(dict(prediction.probabilities))
    assert first["ends"] == pytest.approx(prediction.duration)
    several = [row for row in rows if row["caller"] == "visit 8"]
    assert [row["status"] for row in several] == ["ok", "silence", "error"]
    assert [row["number"] for row in several] == [1, 2, 3]
    assert len({row["request"] for row in several}) == 1
    spans = [(row["starts"], row["ends"]) for row in rows if row["kind"] == "timeline"]
    assert spans == [(segment.start, pytest.approx(segment.end)) for segment in timeline.segments]
    assert {row["caller"] for row in rows if row["kind"] == "stream"} == {"visit 9"}
    assert kept(url, RECORDINGS) == []


def test_recordings_are_kept_only_if_asked(tiny, url):
    with run_service(tiny, store=url, store_audio=True) as running:
        answer = post(f"{running.url}{PREDICT}", files=[("file", WAV), ("file", b"no audio")])
    found = {(row["request"], row["number"]): row["content"] for row in kept(url, RECORDINGS)}
    number = answer.json()["id"]
    assert found == {(number, 1): WAV, (number, 2): b"no audio"}


def test_many_at_once_are_all_kept(tiny, url):
    with run_service(tiny, store=url) as running:

        def predict(n):
            return post(f"{running.url}{PREDICT}?caller={n}", content=WAV).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(predict, range(40))) == {200}
    assert sorted(int(row["caller"]) for row in kept(url)) == list(range(40))


def test_no_file_name_is_kept_or_logged(tiny, tmp_path):
    url = f"sqlite:///{tmp_path / 'results.db'}"
    process = Process("--model", tiny, "--store", url, "--store-audio")
    for name in ("secret-patient.wav", "secret-patient.txt"):
        content = WAV if name.endswith("wav") else b"no audio"
        post(f"{process.url}{PREDICT}", files={"file": (name, content)})
    post(f"{process.url}{PREDICT}?caller=secret-caller", content=WAV)
    post(f"{process.url}/secret-path", content=WAV)
    status, log = process.end()
    assert status == 0
    assert log.count("POST /v1/predict 200") == 2
    assert log.count("POST /v1/predict 422") == 1
    assert "secret" not in log
    assert b"secret-patient" not in (tmp_path / "results.db").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_was_answered_survives_a_kill_and_the_next_start(tiny, url):
    process = Process("--model", tiny, "--store", url)
    answered = []

    def predict(n):
        try:
            address = f"{process.url}{PREDICT}?caller={n}"
            if post(address, content=WAV).is_success:
                answered.append(n)
        except httpx.HTTPError:
            pass

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(predict, n) for n in range(200)]
        until(lambda: len(answered) >= 10)
        assert process.end(signal.SIGKILL)[0] == -signal.SIGKILL
        for future in futures:
            future.result()
    after = Process("--model", tiny, "--store", url)
    response = post(f"{after.url}{PREDICT}?caller=1000", content=WAV)
    assert response.is_success
    assert after.end()[0] == 0
    callers = {int(row["caller"]) for row in kept(url)}
    assert {*answered, 1000} <= callers


def test_a_store_that_goes_away_costs_no_answer_but_readiness(tiny, tmp_path):
    file = tmp_path / "results.db"
    with run_service(tiny, store=f"sqlite:///{file}") as running, sqlite3.connect(file) as other:
        assert get(f"{running.url}/readyz").status_code == 200
        other.execute("drop table sottovoce_results")
        other.commit()
        assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 200
        text = get(f"{running.url}/metrics").text
        assert "sottovoce_unstored_total 1.0" in text
        running.service.store.is_usable = lambda: False
        answer = get(f"{running.url}/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "no store"})
    other.close()


def test_a_store_that_is_full_of_waiting_results_takes_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "MAX_PENDING", 1)
    store = Store(f"sqlite:///{tmp_path / 'results.db'}")
    with sqlite3.connect(tmp_path / "results.db") as other:
        other.execute("begin immediate")
        futures = [store.add(result_rows("predict", "x", None, "m", [])) for _ in range(8)]
        other.rollback()
    other.close()
    assert [future.result(10) for future in futures].count(True) >= 1
    store.close()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "results.db",
        "mysql://a/b",
        "sqlite",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://",
        "postgresql://a:port/b",
    ],
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(SottovoceError, match="expected sqlite:///FILE or postgresql://"):
        Store(address)


def test_a_password_is_never_told():
    with pytest.raises(SottovoceError) as error:
        Store("postgresql://me:swordfish@127.0.0.1:1/there")
    assert "swordfish" not in str(error.value)
    assert "127.0.0.1:1/there cannot be used as a store" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=re.escape(install_line("postgresql"))):
        Store("postgresql://me@127.0.0.1:1/there")


def test_a_request_is_in_hand_until_its_results_are_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(service_module, "STORE_TIMEOUT", 1.0)
    file = tmp_path / "results.db"
    settings = {"store": f"sqlite:///{file}", "store_audio": True}
    with (
        run_service(tiny, limits={"requests": 2}, **settings) as running,
        sqlite3.connect(file, isolation_level=None) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        other.execute("begin immediate")
        futures = [pool.submit(post, f"{running.url}{PREDICT}", content=WAV) for _ in range(2)]
        until(lambda: running.service.admission.requests == 2)
        assert running.service.admission.held == 2 * len(WAV)
        assert post(f"{running.url}{PREDICT}", content=WAV).status_code == 429
        assert [future.result().status_code for future in futures] == [200, 200]
        assert running.service.admission.held == 0
        waiting = [item for item in running.service.store._queue.queue if item is not None]
        assert not any(results or contents for results, contents, _ in waiting)
        other.execute("rollback")
    other.close()


def test_processes_that_start_together_make_the_tables_once(url):
    store_module.METADATA.drop_all(engine(url))
    with ThreadPoolExecutor(8) as pool:
        for store in pool.map(Store, [url] * 8):
            store.close()
    assert sqlalchemy.inspect(engine(url)).has_table(RESULTS.name)


def test_a_value_that_the_database_minds_costs_no_other_its_results(url):
    store = Store(url)
    rows = {
        name: result_rows(
            "predict", f"{n}", name, "m", [Prediction(status=Status.SILENCE, model="m")]
        )
        for n, name in enumerate(["good", "bad", "fine"])
    }
    rows["bad"][0]["caller"] = "\0" if url.startswith("postgresql") else 2**64
    together = [(found, [], Future()) for found in rows.values()]
    store._write(together)
    store.close()
    assert [future.result() for *_, future in together] == [True, False, True]
    assert {row["caller"] for row in kept(url)} == {"good", "fine"}


@pytest.mark.parametrize("caller", ["%00", "a%0Ab", "%1b[2J"])
def test_a_caller_s_id_is_printable(served, caller):
    answer = post(f"{served.url}{PREDICT}?caller={caller}", content=WAV)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_option")


def test_a_store_that_hangs_does_not_hold_up_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "TIMEOUT", 0.2)
    store = Store(f"sqlite:///{tmp_path / 'results.db'}")
    go = threading.Event()
    monkeypatch.setattr(store, "_insert", lambda _: go.wait(10))
    future = store.add(result_rows("predict", "x", None, "m", []))
    store.close()
    assert not future.done()
    go.set()
    assert future.result(10)


def test_readiness_is_told_while_every_thread_is_at_work(tiny, tmp_path):
    with run_service(tiny, store=f"sqlite:///{tmp_path / 'results.db'}") as running:
        go = threading.Event()
        for _ in range(200):
            running.service.timeline_pool.submit(go.wait, 20)
        assert get(f"{running.url}/readyz").status_code == 200
        go.set()


def test_recordings_without_a_store_cannot_be_kept(tiny):
    with pytest.raises(SottovoceError, match="give --store too"):
        Settings(store_audio=True)
