"""What docs/service.md and docs/stream-protocol.md show is what happens."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy
from serving import FINISH, PREDICT, address, get, post, rest, run_service
from websockets.sync.client import connect

from sottovoce.serve import Limits
from sottovoce.serve.store import RECORDINGS, RESULTS
from sottovoce.serve.stream_messages import STREAM_OPTIONS, StreamConfig

ROOT = Path(__file__).resolve().parents[2]
VOICE = ROOT / "samples" / "calm-voice.wav"
SERVICE, STREAM = "service.md", "stream-protocol.md"
KEY = "0123456789abcdef"


def text_of(page):
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def blocks(page):
    """(language, text, language and text of the block after it) of each block."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)
    return [(*block, *after) for block, after in pairwise([*found, ("", "")])]


def of(language):
    """The examples of a language, with what is shown to come of them: kind and text."""
    return [
        pytest.param(text, kind, shown, id=f"{page}-{number}")
        for page in (SERVICE, STREAM)
        for number, (lang, text, kind, shown) in enumerate(blocks(page))
        if lang == language
    ]


def table(page, heading):
    """The rows of the first table after a heading, as lists of cells."""
    part = text_of(page).partition(f"## {heading}\n")[2]
    rows = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(scope="module")
def built_in(tmp_path_factory):
    """A service with the built-in model and a store."""
    file = tmp_path_factory.mktemp("store") / "results.db"
    with run_service(None, store=f"sqlite:///{file}") as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tiny):
    with run_service(tiny, keys=(KEY,)) as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the examples are run, with the files that they name."""
    shutil.copy(VOICE, tmp_path / "interview.wav")
    (tmp_path / "broken.mp3").write_text("no audio")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", KEY)
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path


def printed(command, stdin, served):
    stdin = stdin.replace("127.0.0.1:8000", served.url.removeprefix("http://"))
    assert served.url.removeprefix("http://") in stdin
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_shown(found, shown, key=""):
    """Hold an answer against the one on the page, which may have fewer digits."""
    if isinstance(shown, dict):
        assert list(found) == list(shown)
        for name, value in shown.items():
            assert_shown(found[name], value, name)
    elif isinstance(shown, list):
        assert len(found) == len(shown)
        for value, other in zip(found, shown, strict=True):
            assert_shown(value, other, key)
    elif isinstance(shown, float):
        assert found == pytest.approx(shown, abs=1e-3)
    elif key == "id":
        assert re.fullmatch("[0-9a-f]{32}", found)
        assert re.fullmatch("[0-9a-f]{32}", shown)
    else:
        assert found == shown


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is needed")
@pytest.mark.parametrize(("text", "kind", "shown"), of("sh"))
def test_what_curl_is_shown_to_be_told(built_in, guarded, folder, text, kind, shown):
    served = guarded if "$KEY" in text else built_in
    for line in text.splitlines():
        answer = json.loads(printed(["bash", "-eu"], line, served))
        if kind == "json":
            assert_shown(answer, json.loads(shown))
        else:
            assert "error" not in answer


def node():
    """Node's command, with the flag for WebSocket that it needed before version 22."""
    command = shutil.which("node")
    if command is None:
        pytest.skip("Node is needed")
    version_text = subprocess.run(
        [command, "--version"], capture_output=True, text=True, check=True
    )
    version = int(version_text.stdout[1:].partition(".")[0])
    if version < 20:
        pytest.skip("Node 20 or newer is needed")
    return [command, *(["--experimental-websocket"] if version < 22 else []),
            "--input-type=module", "-"]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "shown"), of("js"))
def test_what_javascript_is_shown_to_print(built_in, folder, text, kind, shown):
    assert kind == ""
    assert printed(node(), text, built_in) == shown


@pytest.mark.parametrize(("text", "kind", "shown"), of("python"))
def test_what_python_is_shown_to_print(built_in, folder, text, kind, shown):
    assert kind == ""
    assert printed([sys.executable, "-"], text, built_in) == shown


@pytest.mark.parametrize(("text", "kind", "shown"), of("sql"))
def test_the_store_can_be_asked_as_shown(built_in, text, kind, shown):
    post(f"{built_in.url}{PREDICT}?caller=me", content=VOICE.read_bytes())
    engine = sqlalchemy.create_engine(built_in.service.settings.store)
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text(text)).all()
    engine.dispose()
    assert ("me", "neutral", 1) in [tuple(row)[:3] for row in rows]


def test_there_is_an_example_of_each_kind():
    assert [len(of(language)) for language in ("sh", "js", "python", "sql")] == [5, 2, 2, 1]


def test_the_messages_of_a_stream_are_as_shown(built_in):
    sound = VOICE.read_bytes()[44:]
    with connect(address(built_in), compression=None) as socket:
        socket.send('{"type": "config", "sample_rate": 16000}')
        messages = [json.loads(socket.recv())]
        socket.send("odd")
        socket.send(sound)
        socket.send(FINISH)
        messages += rest(socket)
    shown = [json.loads(text) for kind, text, *_ in blocks(STREAM) if kind == "json"]
    kinds = ["ready", "speech_started", "measurement", "speech_ended", "error", "finished"]
    assert [example["type"] for example in shown] == kinds
    for example in shown:
        first = next(other for other in messages if other["type"] == example["type"])
        assert_shown(first, example)


def test_the_fields_of_a_config_are_as_shown():
    rows = {names(field)[0]: json.loads(default.strip("`") or '""') for field, default, _ in
            table(STREAM, "Config")}  # fmt: skip
    fields = StreamConfig.model_fields | STREAM_OPTIONS
    assert list(rows) == list(fields)
    required = {name for name, field in fields.items() if field.is_required()}
    assert {name for name, default in rows.items() if default == ""} == required
    for name in fields.keys() - required:
        assert rows[name] == fields[name].default


def test_every_code_of_an_error_is_on_a_page():
    source = "".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "src/sottovoce/serve").glob("*.py")
    )
    codes = set(re.findall(r'(?:\b[45]\d\d[,:]\s*|\bcode=)"([a-z_]+)"', source))
    rows = [names(row[1]) for row in table(SERVICE, "Errors")]
    rows += [names(row[0]) for row in table(STREAM, "Errors")]
    assert {code for row in rows for code in row} == codes


def test_the_limits_are_as_shown():
    limits = Limits()
    shown = {names(option)[0]: default for option, default, _ in table(SERVICE, "Limits")}
    assert shown == {
        "--max-upload": f"{limits.upload / 1e6:g} MB",
        "--max-duration": f"{limits.duration:g} s",
        "--max-timeline": f"{limits.timeline:g} s",
        "--max-work": f"{limits.work:g} s",
        "--max-requests": f"{limits.requests}",
        "--max-streams": f"{limits.streams}",
        "--idle": f"{limits.idle:g} s",
    }
    others = " ".join(text_of(SERVICE).partition("sottovoce.serve.Limits")[2].split())
    for phrase in (
        f"`memory`, {limits.memory / 1e6:g} MB",
        f"`recordings`, {limits.recordings} in",
        f"`segments`, {limits.segments:,} in",
        f"`receive`, {limits.receive:g} s",
        f"`key_wait`, {limits.key_wait:g} s",
        f"`strangers`, {limits.strangers} streams",
        f"`frame`, {limits.frame / 1e6:g} MB",
        f"`drain`, {limits.drain:g} s",
    ):
        assert phrase in others


def test_the_metrics_are_those_shown(built_in):
    shown = {name for row in table(SERVICE, "Metrics") for name in names(row[0])}
    found = {
        re.sub("_(bucket|count|sum)$", "", line.split("{")[0].split()[0])
        for line in get(f"{built_in.url}/metrics").text.splitlines()
        if not line.startswith("#")
    }
    assert {name for name in found if not name.endswith("_created")} == shown


def test_the_table_of_the_store_is_as_shown():
    shown = [name for row in table(SERVICE, "Keep results") for name in names(row[0])]
    assert shown == [column.name for column in RESULTS.columns]
    listed = ", ".join(f"`{column.name}`" for column in RECORDINGS.columns)
    assert f"`sottovoce_recordings` ({listed})" in text_of(SERVICE)


def test_the_endpoints_are_those_of_the_service(built_in):
    paths = set(get(f"{built_in.url}/openapi.json").json()["paths"])
    rows = re.findall(r"^\| `(?:GET|POST|WS) ([^`]+)`", text_of(SERVICE), re.MULTILINE)
    assert set(rows) == paths | {"/v1/stream", "/v1/stream/twilio", "/openapi.json"}


def test_the_commands_shown_have_the_options_that_they_use():
    wide = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, "-c", "from sottovoce.cli import main; main()", "serve", "--help"]
    help_text = subprocess.run(command, capture_output=True, text=True, check=True, env=wide).stdout
    text = re.sub("(?m)^curl.*$|`benchmarks/[^`]*`", "", text_of(SERVICE) + text_of(STREAM))
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
    assert "--keys" in used
    assert {option for option in used if option not in help_text} == set()
