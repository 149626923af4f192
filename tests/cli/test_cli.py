"""`sottovoce` itself: which commands there are, and what it costs to find the one that is run."""

import importlib
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from sottovoce import cli
from sottovoce.cli import run

COMMANDS = (
    *(
        "app",
        "archive",
        "audit",
        "cache",
        "corpus",
        "encoder",
        "evaluate",
        "export",
        "listen",
        "mcp",
        "models",
        "predict",
        "recipes",
        "report",
        "search",
        "serve",
    ),
    *("timeline", "train"),
)


def loaded_after(*arguments: str) -> tuple[int, set[str]]:
    """Exit status, and the modules that were imported."""
    code = (
        f"import sys; from sottovoce.cli import run; status = run({list(arguments)!r})\n"
        "print(status, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, *modules = done.stdout.splitlines()[-1].split()
    return int(status), {name for name in modules if "." not in name}


def test_sottovoce_alone_shows_the_help(capfd):
    assert run([]) == 0
    shown = capfd.readouterr().out
    assert run(["--help"]) == 0
    assert capfd.readouterr().out.split() == shown.split()
    assert all(f" {name} " in shown for name in COMMANDS)


def test_the_version_is_shown(capfd):
    assert run(["--version"]) == 0
    assert capfd.readouterr().out.startswith("sottovoce 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_line_in_the_help_is_the_start_of_its_own_help(name, capfd):
    run([name, "--help"])
    shown = " ".join(capfd.readouterr().out.split())
    summary = cli._summary(name)
    assert summary or name == "corpus"  # a group, which is registered as it is
    assert " ".join(summary.split()) in shown


def test_finding_a_command_imports_no_other(capfd):
    for name in COMMANDS:
        importlib.import_module(f"sottovoce.cli.{name}")
    assert run(["predikt"]) == 2
    assert "Did you mean 'predict'?" in capfd.readouterr().err
    assert run(["--help", "predict"]) == 0
    assert " timeline " in capfd.readouterr().out


def test_the_help_imports_nothing_that_takes_a_while():
    assert not loaded_after("--help")[1] & {"pydantic", "numpy", "soundfile"}


@pytest.mark.parametrize("command", ["predict", "timeline", "report", "listen", "app", "models"])
def test_a_misspelt_option_is_known_before_anything_heavy_is_imported(command):
    status, modules = loaded_after(command, "--nonsense", "a.wav")
    assert status == 2
    assert not modules & {"numpy", "onnxruntime", "soundfile", "torch", "streamlit", "pandas"}


def test_a_value_out_of_its_range_is_too():
    status, modules = loaded_after("timeline", "a.wav", "--hop", "99")
    assert status == 2
    assert not modules & {"numpy", "onnxruntime", "soundfile"}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_without_a_value_is_shown_without_one(name, capfd):
    run([name, "--help"])
    shown = capfd.readouterr().out
    assert "--help" in shown
    assert "bool" not in shown


@pytest.fixture
def home(tmp_path):
    """A home folder, with a `sottovoce` to call."""
    program = tmp_path / "bin" / "sottovoce"
    program.parent.mkdir()
    python = shlex.quote(sys.executable)
    program.write_text(
        f"#!/bin/sh\nexec {python} -c 'from sottovoce.cli import main; main()' \"$@\"\n"
    )
    program.chmod(0o755)
    return tmp_path


def in_bash(home, script):
    """What a script prints in a new bash of a home folder."""
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"HOME": str(home), "PATH": path}
    done = subprocess.run(
        [shutil.which("bash"), "--norc", "-c", f"{script}\n:"],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is needed")
def test_completion_is_installed_and_completes(home):
    assert "bash completion installed" in in_bash(home, "sottovoce --install-completion")
    assert str(home / ".bash_completions" / "sottovoce.sh") in (home / ".bashrc").read_text()

    def completed(line):
        words = [*line.split(), *([""] if line.endswith(" ") else [])]
        script = (
            f". .bashrc; COMP_WORDS=({' '.join(map(shlex.quote, words))}); "
            f"COMP_CWORD={len(words) - 1}; _sottovoce_completion sottovoce; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        return set(in_bash(home, script).split())

    assert completed("sottovoce ti") == {"timeline"}
    assert {"predict", "models", "cache"} <= completed("sottovoce ")
    assert completed("sottovoce predict --min-c") == {"--min-confidence"}
    assert completed("sottovoce recipes c") == {"copy"}


def test_other_shells_are_served_too(home):
    asked = {
        "_SOTTOVOCE_COMPLETE": "complete_zsh",
        "_TYPER_COMPLETE_ARGS": "sottovoce timeline --s",
    }
    done = subprocess.run(
        [home / "bin" / "sottovoce"],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--smoothing" in done.stdout
