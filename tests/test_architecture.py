"""What holds for the package as a whole: its name, its imports, its names, its one contract."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "sottovoce"


def modules() -> dict[str, ast.Module]:
    """Dotted name -> syntax tree of every module of the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module, known: set[str]) -> set[str]:
    """The modules of the package that a module imports anywhere: late and for types alone, too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & known or {node.module}
    return found & known


def test_no_module_imports_itself_through_others():
    trees = modules()
    graph = {name: imported(tree, set(trees)) - {name} for name, tree in trees.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


def test_listening_knows_nothing_of_learning():
    """Only the commands of the learning half reach over, when they run."""
    trees = modules()
    for name, tree in trees.items():
        if not name.startswith(("sottovoce.learn", "sottovoce.cli")):
            reached = {
                module for module in imported(tree, set(trees)) if "sottovoce.learn" in module
            }
            assert not reached, f"{name} imports {reached}"


def test_no_two_classes_share_a_name():
    names = Counter(
        node.name
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not [name for name, count in names.items() if count > 1]


def test_the_project_s_old_name_is_nowhere_but_in_the_changelog():
    old = b"under" + b"tone"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    ).stdout
    if not listed:
        pytest.skip("not a git checkout: nothing says which files are the project's")
    for name in listed.decode().rstrip("\0").split("\0"):
        path = ROOT / name
        if name != "CHANGELOG.md" and path.is_file():
            assert old.decode() not in name.lower()
            assert old not in path.read_bytes().lower(), name


@pytest.fixture(scope="module")
def with_a_new_option(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a copy of the package in which one option was added, in one place."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "sottovoce", ignore=ignored)
    options = folder / "sottovoce" / "options.py"
    text = options.read_text(encoding="utf-8")
    place = text.index("    hold: float = Field(")
    added = (
        "    sparkle: float = Field(\n"
        '        default=0.5, ge=0, le=7, description="How much it glitters.",\n'
        '        json_schema_extra={"unit": "s"},\n'
        "    )\n"
    )
    options.write_text(text[:place] + added + text[place:], encoding="utf-8")
    return os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "120", "NO_COLOR": "1"}


def run(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", ["timeline", "listen"])
def test_an_option_added_in_one_place_is_an_option_of_the_command_line(with_a_new_option, command):
    shown = run(f"from sottovoce.cli import run; run([{command!r}, '--help'])", with_a_new_option)
    assert "--sparkle" in shown
    assert "How much it glitters." in shown


def test_an_option_added_in_one_place_is_in_the_openapi_document(with_a_new_option):
    pytest.importorskip("fastapi")
    code = """
import json
from sottovoce.serve import create_app
print(json.dumps(create_app().openapi()["paths"]["/v1/timeline"]["post"]["parameters"]))
"""
    parameters = json.loads(run(code, with_a_new_option).splitlines()[-1])
    (found,) = (parameter for parameter in parameters if parameter["name"] == "sparkle")
    assert found["description"] == "How much it glitters."
    assert (found["schema"]["minimum"], found["schema"]["maximum"]) == (0, 7)


def test_an_option_added_in_one_place_is_taken_by_streams_and_by_python(with_a_new_option):
    pytest.importorskip("fastapi")
    code = """
from sottovoce import SottovoceError, TimelineOptions
from sottovoce.serve.stream_messages import StreamConfig
config = StreamConfig.from_text('{"type": "config", "sample_rate": 8000, "sparkle": 3}')
assert config.options.sparkle == 3
try:
    TimelineOptions(sparkle=8)
except SottovoceError as error:
    print(error)
"""
    assert run(code, with_a_new_option) == "sparkle is 8 s; expected 0 s to 7 s\n"
