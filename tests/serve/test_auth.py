"""Who may use the service."""

import httpx
import pytest
from serving import PREDICT, WAV, get, post, run_service, send
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from sottovoce.cli import run
from sottovoce.errors import SottovoceError
from sottovoce.serve import Settings
from sottovoce.serve.auth import is_valid_key, read_keys
from sottovoce.serve.settings import is_loopback

FIRST, SECOND = "first-0123456789abcdef", "second-0123456789abcdef"
ORIGIN = "https://example.org"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - it is refused


@pytest.fixture(scope="module")
def guarded(tiny):
    with run_service(tiny, keys=(FIRST, SECOND), cors=(ORIGIN,)) as running:
        yield running


@pytest.mark.parametrize("key", [FIRST, SECOND])
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_either_key_opens_in_either_header(guarded, key, header):
    value = f"Bearer {key}" if header == "Authorization" else key
    response = post(f"{guarded.url}{PREDICT}", content=WAV, headers={header: value})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": f"Bearer {FIRST}x"},
        {"Authorization": FIRST},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {FIRST}"},
        {"X-API-Key": FIRST[:-1]},
        {"X-API-Key": ""},
        {"X-API-Key": b"\xff\xfe"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", PREDICT),
        ("POST", "/v1/timeline"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/tiny"),
        ("GET", "/metrics"),
    ],
)
def test_no_other_key_does(guarded, headers, method, path):
    response = send(method, f"{guarded.url}{path}", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "unauthorised"


def test_a_key_is_asked_for_before_anything_is_read(guarded):
    with httpx.Client() as client:
        response = client.post(f"{guarded.url}/v1/predict?min_confidence=9", content=WAV)
    assert response.status_code == 401


def test_health_is_for_everybody(guarded):
    assert get(f"{guarded.url}/healthz").status_code == 200
    assert get(f"{guarded.url}/readyz").status_code == 200


def test_only_pages_of_the_origins_named_may_ask(guarded, served):
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    answer = send("OPTIONS", f"{guarded.url}{PREDICT}", headers=preflight)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    other = preflight | {"Origin": "https://example.com"}
    assert (
        "access-control-allow-origin"
        not in send("OPTIONS", f"{guarded.url}{PREDICT}", headers=other).headers
    )
    assert send("OPTIONS", f"{served.url}{PREDICT}", headers=preflight).status_code == 405


@pytest.mark.parametrize(
    ("origin", "status"),
    [(ORIGIN, None), ("https://example.com", 403), ("null", 403), ("http://[", 403), ("", 403)],
)
def test_only_pages_of_the_origins_named_may_stream(guarded, origin, status):
    address = f"ws{guarded.url.removeprefix('http')}/v1/stream"
    headers = {"X-API-Key": FIRST}
    if status is None:
        with connect(address, origin=origin, additional_headers=headers):
            return
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(address, origin=origin, additional_headers=headers),
    ):
        pass
    assert refused.value.response.status_code == status


def test_a_page_of_the_service_itself_may_stream(served):
    with connect(f"ws{served.url.removeprefix('http')}/v1/stream", origin=served.url):
        pass


def test_keys_come_from_a_file_and_from_the_environment(tmp_path):
    file = tmp_path / "keys.txt"
    file.write_text(f"# ours\n{FIRST}\n  # the app's\n\n")
    keys = read_keys(file, {"SOTTOVOCE_API_KEYS": f"{SECOND}, {SECOND}x"})
    assert sorted(keys) == [FIRST, SECOND, f"{SECOND}x"]
    assert read_keys(None, {}) == []


def test_a_key_in_a_file_may_have_a_hash(tmp_path):
    file = tmp_path / "keys.txt"
    file.write_text(f"{FIRST}#2\n")
    assert read_keys(file, {}) == [f"{FIRST}#2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("# none\n", "has no key"),
        ("short\n", "16 or more"),
        ("with a space in it, long\n", "16 or more"),
        ("\N{SNOWMAN}" * 20, "16 or more"),
        (b"\xff\xfe" * 20, "not UTF-8"),
    ],
)
def test_keys_that_will_not_do_are_told_without_showing_them(tmp_path, content, message):
    file = tmp_path / "keys.txt"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SottovoceError, match=message) as error:
        read_keys(file, {})
    assert "space in" not in str(error.value)


def test_a_key_is_known_only_whole():
    keys = (FIRST, SECOND)
    assert is_valid_key(FIRST, keys)
    assert is_valid_key(SECOND, keys)
    for wrong in ("", FIRST[:-1], FIRST + "x", FIRST.upper(), "\udcff", "\N{SNOWMAN}"):
        assert not is_valid_key(wrong, keys)


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.9.9.9", True),
     (EVERYWHERE, False), ("::", False), ("example.org", False), ("192.168.0.1", False)],
)  # fmt: skip
def test_what_other_machines_can_reach(host, answer):
    assert is_loopback(host) is answer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", EVERYWHERE], "give --keys FILE or $SOTTOVOCE_API_KEYS, or --open"),
        (["--keys", "none.txt"], "none.txt: cannot be read"),
        (["--model", "none-such"], "no model is called 'none-such'"),
        (["--store", "mysql://x/y"], "expected sqlite:///FILE or postgresql://"),
        (["--store", "sqlite:////nowhere/at/all.db"], "cannot be used as a store"),
        (["--store-audio"], "give --store too"),
        (["--host", "a" * 70, "--open"], "cannot be listened on"),
        (["--max-upload", "-1"], "limit upload is -1000000"),
        (["--host", "203.0.113.77", "--open"], "cannot be listened on"),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_line(capfd, monkeypatch, arguments, message):
    monkeypatch.delenv("SOTTOVOCE_API_KEYS", raising=False)
    status = run(["serve", "--port", "0", *arguments])
    _, err = capfd.readouterr()
    assert status == 2
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "ftp://a", "", "null"])
def test_what_is_no_origin_is_refused_at_the_start(origin):
    with pytest.raises(
        SottovoceError, match=r"is no origin; expected such as https://example\.org"
    ):
        Settings(cors=(origin,))
