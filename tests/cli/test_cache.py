"""`sottovoce cache`: what is kept, and being rid of it."""

import json
import re
from pathlib import Path

import pytest

import sottovoce
from sottovoce.cli import run
from sottovoce.cli.cache import KINDS


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with clips, an encoder and something of somebody else's."""
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path))
    for name, size in (("clips/a/b", 1_500_000), ("encoders/c.onnx", 600_000), ("theirs/d", 9)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    return tmp_path


def test_every_kind_that_is_kept_is_known() -> None:
    package = Path(sottovoce.__file__).parent
    code = "".join(file.read_text(encoding="utf-8") for file in package.rglob("*.py"))
    assert set(re.findall(r'cache_folder\(\) / "(\w+)"', code)) == set(KINDS)


def test_sizes_are_shown_by_kind(kept: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cache"]) == 0
    first, heading, *rows = capfd.readouterr().out.splitlines()
    assert first == f"{kept}: 2.1 MB"
    assert heading.split()[0] == "kind"
    assert [row.split()[:2] for row in rows] == [["clips", "1.5"], ["encoders", "0.6"]]
    assert run(["cache", "--json"]) == 0
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(one["kind"], one["bytes"]) for one in records] == [
        ("clips", 1_500_000),
        ("encoders", 600_000),
    ]


def test_one_kind_is_cleared_and_then_the_rest(
    kept: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["cache", "clear", "clips", "--yes"]) == 0
    assert capfd.readouterr().out == "1.5 MB deleted\n"
    assert not (kept / "clips").exists()
    assert (kept / "encoders" / "c.onnx").exists()
    assert run(["cache", "clear", "--yes"]) == 0
    assert [path.name for path in kept.iterdir()] == ["theirs"]
    assert run(["cache", "clear", "--yes"]) == 0
    assert "nothing to clear" in capfd.readouterr().out


def test_nothing_is_deleted_unasked(kept: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "clear"]) == 2
    assert "add --yes" in capfd.readouterr().err
    assert run(["cache", "clear", "theirs", "--yes"]) == 2
    assert "the cache has no 'theirs'; it knows clips, " in capfd.readouterr().err
    assert len(list(kept.rglob("*"))) == 7


def test_where_nothing_is_kept_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOTTOVOCE_CACHE", str(tmp_path / "none"))
    assert run(["cache"]) == 0
    assert capfd.readouterr().out == f"{tmp_path / 'none'}: 0.0 MB\n"
