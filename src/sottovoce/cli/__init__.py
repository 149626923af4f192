"""The command line: `sottovoce` and its commands, one file each.

A module of this package whose name has no leading underscore is a command; its `register(app)` adds
it. Only the module of the command that is run is imported, and what the command needs only when it
runs; the list of commands is made from the docstrings of the functions of the modules' names. So
`sottovoce --help` is quick.
"""

import ast
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sottovoce.errors import SottovoceError

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 + SIGINT."""


def main() -> None:
    """Run the command line with the process's arguments, and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit status; what goes wrong is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        _app(*arguments[:1])(args=list(arguments), prog_name="sottovoce")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except SottovoceError as error:
        print(f"sottovoce: {error}", file=sys.stderr)
    except OSError as error:
        from sottovoce.text import one_line

        print(f"sottovoce: {one_line(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 2


def _app(called: str = "") -> typer.Typer:
    """The command that is called, or, where none is, all of them with their summaries alone."""
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
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
