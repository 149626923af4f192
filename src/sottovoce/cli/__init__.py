"""The command line: `sottovoce` and its commands, one file each.

A module of this package whose name has no leading underscore is a command; its `register(app)` adds
it. Only the module of the command that is run is imported, and what the command needs only when it
runs; the list of commands is made from the docstrings of the functions of the modules' names. So
`sottovoce --help` is quick.
"""

import ast
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sottovoce.errors import SottovoceError
from sottovoce.text import one_line, printable

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 + SIGINT."""

HELP = ["-h", "--help"]

COMPLETED = ("_TYPER_COMPLETE_ARGS", "COMP_WORDS")
"""Environment variables in which a shell gives the line that it wants completed."""


def main() -> None:
    """Run the command line with the process's arguments, and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit status; what goes wrong is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's has none
            stream.reconfigure(errors="backslashreplace")
    try:
        command = typer.main.get_command(_app(_called(arguments)))
        _take_types_off_flags(command)
        command(args=list(arguments), prog_name="sottovoce")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except SottovoceError as error:
        say(f"sottovoce: {error}", error=True)
    except OSError as error:
        say(f"sottovoce: {one_line(error)}", error=True)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 2


def say(text: object, *, error: bool = False) -> None:
    """Print plain lines on stdout or stderr; control characters in them are spelled out."""
    typer.echo(printable(str(text)), err=error)


def _called(arguments: Sequence[str]) -> str:
    """The first word after `sottovoce`: of the line to complete where a shell asks for that."""
    line = next((os.environ[name] for name in COMPLETED if name in os.environ), "")
    words = line.split()[1:] if "_SOTTOVOCE_COMPLETE" in os.environ else arguments
    return words[0] if words else ""


def _take_types_off_flags(command: Any) -> None:
    """Show an option that takes no value without one: `--json`, where Typer has `--json <bool>`."""
    for parameter in command.get_params(typer.Context(command, help_option_names=HELP)):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    for below in getattr(command, "commands", {}).values():
        _take_types_off_flags(below)


def _app(called: str = "") -> typer.Typer:
    """The command that is called, or, where none is, all of them with their summaries alone."""
    app = typer.Typer(
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": HELP},
    )

    @app.callback(invoke_without_command=True)
    def sottovoce(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    ) -> None:
        """Hear how something is said: which emotion a voice carries, and how sure that is."""
        if version:
            from sottovoce import __version__

            print(f"sottovoce {__version__}")
            raise typer.Exit
        if context.invoked_subcommand is None:
            print(context.get_help())

    names = [entry.name for entry in pkgutil.iter_modules(__path__) if entry.name[0] != "_"]
    for name in [called] if called in names else names:
        if name == called:
            importlib.import_module(f"{__name__}.{name}").register(app)
        else:
            app.command(name, help=_summary(name))(lambda: None)
    return app


def _summary(name: str) -> str:
    """The docstring of the function of a command or a group, from its source."""
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node) or ""
    return ""
