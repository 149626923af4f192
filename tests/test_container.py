"""The image and its neighbours: what the Dockerfile and compose.yaml promise, without an engine."""

import http.server
import importlib.metadata
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sottovoce.serve.metrics import Metrics

ROOT = Path(__file__).resolve().parents[1]
HEALTHY = ROOT / "docker" / "healthy.py"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, each with what follows it."""
    text = re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()).replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = []
    for line in filter(str.strip, text.splitlines()):
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            found.append([])
        found[-1].append((word, " ".join(rest.split())))
    return found


FINAL = stages()[-1]
ENVIRONMENT = dict(
    one.split("=", 1) for word, rest in FINAL if word == "ENV" for one in shlex.split(rest)
)


def all_of(word: str, stage: list[tuple[str, str]] = FINAL) -> list[str]:
    return [rest for one, rest in stage if one == word]


def is_ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out of the build: its last pattern that fits decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().split():
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = Path(path).parts
        starts = range(len(parts)) if "**/" in line else range(1)
        for start in starts:
            heads = ("/".join(parts[start:end]) for end in range(start + 1, len(parts) + 1))
            if any(fnmatch(head, pattern) for head in heads):
                ignored = not line.startswith("!")
    return ignored


def extras() -> set[str]:
    """Those that the image is built with."""
    (command,) = all_of("RUN", stages()[1])
    return set(re.search(r"\[([a-z,]+)\]", command)[1].split(","))


def test_what_it_is_built_with_stays_behind():
    _, build, final = stages()
    assert build[0][1].split()[0] == final[0][1]
    assert [rest for rest in all_of("COPY", final) if "--from" in rest] == [
        "--from=build /opt/sottovoce /opt/sottovoce"
    ]
    done = " ".join(all_of("RUN", final))
    assert "pip uninstall --yes pip" in done
    assert not re.search(r"pip install|apt|gcc|make|curl|wget|git\b", done)


def test_it_runs_as_a_user_without_rights():
    assert all_of("USER")[-1] == "10001:10001"
    words = [word for word, _ in FINAL]
    assert "RUN" not in words[words.index("USER") :]
    assert "--uid 10001" in " ".join(all_of("RUN"))


def test_what_is_copied_is_there_and_sent():
    for stage in stages():
        for rest in all_of("COPY", stage):
            if "--from" in rest:
                continue
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert not is_ignored(source)


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".git/config", ".venv/bin/python", "runs/a/card.json", "keys.txt", "results.db"),
        *("sottovoce-corrections/a.wav", "docker/.env", "src/sottovoce/__pycache__/a.pyc"),
        *("tests/audio/test_audio.py", "models/e-whisper.onnx"),
    ],
)
def test_nothing_else_is_sent(path):
    assert is_ignored(path)


def test_every_package_in_it_has_its_version_and_torch_is_none_of_them():
    pinned = {
        canonicalize_name(line.split("==")[0])
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*offered["dependencies"]]
    for extra in extras():
        asked += offered["optional-dependencies"][extra]
    waiting, known = [Requirement(one) for one in asked], set()
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if (name, *sorted(one.extras)) in known:
            continue
        known.add((name, *sorted(one.extras)))
        for text in importlib.metadata.requires(name) or ():
            further = Requirement(text)
            fits = [{"extra": extra} for extra in one.extras or {""}]
            if further.marker is None or any(map(further.marker.evaluate, fits)):
                waiting.append(further)
    names = {name for name, *_ in known}
    assert {"fastapi", "av", "psycopg", "psycopg-binary", "onnxruntime"} <= names
    assert names <= pinned
    assert not names & {"torch", "scipy", "librosa", "scikit-learn", "lightning"}


class Answer(http.server.BaseHTTPRequestHandler):
    """Whatever the server says."""

    def do_GET(self):
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


def health(*urls: str, **environment: str) -> int:
    command = [sys.executable, "-S", str(HEALTHY), *urls]
    return subprocess.run(command, env=environment, check=False).returncode


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (404, 1), (503, 1)])
def test_the_health_check_believes_200_alone_and_asks_no_proxy(status, expected):
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        server.status = status
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/healthz"
        assert health("http://127.0.0.1:9/", url, http_proxy="http://127.0.0.1:9") == expected
        server.shutdown()
    assert health(url) == 1


def test_the_health_check_is_in_the_image_and_knows_its_ports():
    (check,) = all_of("HEALTHCHECK")
    assert check.endswith('CMD ["python", "/srv/sottovoce/healthy.py"]')
    assert all_of("WORKDIR")[-1] == "/srv/sottovoce"
    assert any("docker/healthy.py" in rest for rest in all_of("COPY"))
    (ports,) = all_of("EXPOSE")
    text = HEALTHY.read_text()
    assert all(f"127.0.0.1:{port}/" in text for port in ports.split())


def test_compose_runs_the_image_locked_up():
    one = COMPOSE["services"]["service"]
    assert (one["build"], one["read_only"], one["cap_drop"]) == (".", True, ["ALL"])
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in one["ports"])
    for volume in one["volumes"]:
        assert volume.partition(":")[0] in COMPOSE["volumes"]


def known_options(name: str) -> set[str]:
    """Those of a command."""
    asking = [sys.executable, "-c", "from sottovoce.cli import main; main()", name, "--help"]
    told = subprocess.run(asking, check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"--[a-z-]+", told))


def test_compose_asks_for_what_there_is():
    name, *arguments = shlex.split(COMPOSE["services"]["service"]["command"])
    assert {one for one in arguments if one.startswith("--")} <= known_options(name)


def test_compose_holds_no_secret_and_its_database_is_a_choice():
    for one in COMPOSE["services"].values():
        for key, value in one.get("environment", {}).items():
            assert key == "POSTGRES_USER" or re.fullmatch(r"\$\{[A-Z_]+:-\}", value)
    assert COMPOSE["services"]["database"]["profiles"] == ["postgresql"]
    depends = COMPOSE["services"]["service"]["depends_on"]["database"]
    assert depends == {"condition": "service_healthy", "required": False}


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["serve", "--host", "0.0.0.0", "--open"], "healthz"),  # noqa: S104
        (["serve", "--host", "0.0.0.0", "--open"], ""),  # noqa: S104
    ],
    ids=["service", "page"],
)
def test_it_runs_from_the_wheel_and_writes_nothing(installed, tmp_path, arguments, path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tmp_path.chmod(0o555)
    places = {"HOME": str(tmp_path), "PYTHONPATH": str(installed), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [str(installed / "bin" / "sottovoce"), *arguments, "--port", str(port)],
        cwd=tmp_path,
        env={**ENVIRONMENT, **places, "SOTTOVOCE_MODELS": str(ROOT / "models")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + 30
    while not (answers := health(f"http://127.0.0.1:{port}/{path}") == 0):
        if process.poll() is not None or time.monotonic() > end:
            break
        time.sleep(0.2)
    process.terminate()
    said = process.communicate(timeout=30)[0]
    assert answers, said
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_the_page_names_metrics_and_options_that_there_are():
    page = (ROOT / "docs" / "deployment.md").read_text()
    metrics = Metrics().text().decode()
    for name in re.findall(r"`(sottovoce_[a-z_]+)", page):
        assert f"# HELP {name} " in metrics
    served = known_options("serve")
    ours = re.findall(r"--(?:host|port|open|keys|store|cors|idle|max-[a-z]+)", page)
    assert {"--keys", "--store", "--max-work", "--max-streams"} <= set(ours) <= served
