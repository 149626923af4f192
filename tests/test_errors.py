"""Errors tell people what to do, and the command that they give is one that works."""

import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import pytest

from sottovoce.errors import MissingExtraError, install_line

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Installed:
    """A distribution as pip leaves it behind."""

    def __init__(self, origin: object) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self.origin is None else json.dumps(self.origin)


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, 'pip install "sottovoce[media]"'),
        (
            {"url": "file:///tmp/sottovoce.whl", "archive_info": {}},
            'pip install "sottovoce[media]"',
        ),
        (
            {"url": "file:///home/me/my%20code", "dir_info": {"editable": True}},
            'pip install --editable "/home/me/my code[media]"',
        ),
    ],
)
def test_the_install_line_knows_a_checkout_from_a_wheel(monkeypatch, origin, line):
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed(origin))
    assert install_line("media") == line
    error = MissingExtraError("call.m4a: mp4", "PyAV", "media")
    assert str(error) == f"call.m4a: mp4 needs PyAV; run: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_install_line_of_a_page_is_the_one_that_messages_give(page):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in re.findall(r"pip install [^`\n#]*\[[^`\n#]*", page.read_text(encoding="utf-8")):
        extras = re.findall(r"\[(.*?)\]", line)[0].split(",")
        assert set(extras) <= set(project["optional-dependencies"]), line
        plain = re.sub(r"--constraint \S+ ", "", line).strip()
        known = {install_line(*extras, checkout="."), install_line(*extras, checkout="")}
        assert plain in known | {given.replace("--editable ", "") for given in known}
