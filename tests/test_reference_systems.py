"""docs/reference-systems.md: every row points to what is there, and its command runs."""

import re
import shlex
from pathlib import Path

import pytest

from sottovoce.cli import run
from sottovoce.learn.recipe.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference-systems.md"
REAL, ELSEWHERE = "†", "‡"
CODES = ("01", "03", "05", "06", "08", "10", "12", "14")
"""Actors of the small corpus."""


def rows() -> list[list[str]]:
    """The cells of every row of the page's tables."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "line"]


def commands() -> list[tuple[str, set[int], bool]]:
    """Each command that is run here: it, the exit statuses that it may have, and its need."""
    found = {}
    for _, _, how, _ in rows():
        if ELSEWHERE in how:
            continue
        (command,) = re.findall(r"`(sottovoce [^`]+)`", how)
        statuses = re.search(r"\(status (\d)(?: or (\d))?\)", how)
        expected = {int(each) for each in statuses.groups() if each} if statuses else {0}
        found[command] = (command, expected, REAL in how)
    return list(found.values())


def slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def test_every_row_says_where_and_how_and_its_links_lead_somewhere() -> None:
    for row in rows():
        assert len(row) == 4, row
        assert row[0], row
        assert row[1], row
        assert row[2], row
    for target in re.findall(r"\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        page = PAGE.parent / name
        assert page.exists(), target
        headings = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
        assert not anchor or anchor in map(slug, headings), target
    for path in re.findall(r"\b(?:recipes|notebooks|benchmarks)/[\w.-]+\w", PAGE.read_text()):
        assert (ROOT / path).exists(), path


def test_every_recipe_of_a_reference_system_is_in_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for recipe in (ROOT / "recipes").glob("[a-e]-*.toml"):
        assert f"recipes/{recipe.name}" in text


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the page supposes it, but for corpora; the recipes train for one epoch."""
    for name in ("samples", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "recipes").mkdir()
    for path in (ROOT / "recipes").glob("*.toml"):
        text = re.sub(r"(?m)^(epochs|copies|trees) = .*$", r"\1 = 1", path.read_text())
        text = text.replace('"bf16"', '"32"')  # not every processor has it
        (tmp_path / "recipes" / path.name).write_text(text)
        Recipe.check(tmp_path / "recipes" / path.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def link(folder: Path, paths: list[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        (folder / path.name).symlink_to(path.resolve())


@pytest.fixture
def data(place: Path, request: pytest.FixtureRequest) -> Path:
    """Small corpora of real speech in it."""
    corpora: Path = request.getfixturevalue("corpora")
    clips = [
        path
        for actor in CODES
        for path in sorted((corpora / "ravdess").rglob(f"03-01-??-01-01-01-{actor}.*"))
    ]
    link(place / "ravdess", clips)
    for name, pattern in (("tess", "*_ba*"), ("savee", "*0[12].*")):
        link(place / name, sorted((corpora / name).rglob(pattern))[:60])
    names = {"01": "neutral", "03": "happy", "04": "sad", "05": "angry"}
    for code, emotion in names.items():
        link(place / "validation" / emotion, [c for c in clips if c.name[6:8] == code][:3])
    rows = [
        f"{clip.resolve()},{names[clip.name[6:8]]}" for clip in clips if clip.name[6:8] in names
    ]
    (place / "mine.csv").write_text("\n".join(["file,emotion", *rows]))
    return place


@pytest.mark.parametrize(
    ("command", "statuses", "real"), commands(), ids=[each[0][10:60] for each in commands()]
)
def test_a_command_of_the_page_runs(
    command: str,
    statuses: set[int],
    real: bool,
    place: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if real:
        request.getfixturevalue("data")
    status = run(shlex.split(command)[1:])
    err = capsys.readouterr().err
    assert status in statuses, err
