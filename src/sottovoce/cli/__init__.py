"""The command line: `sottovoce` and its commands, one file each.

A module of this package whose name has no leading underscore is a command; its `register(app)` adds
it. What a command needs is imported when it runs, so that `sottovoce --help` is quick.
"""

import importlib
import pkgutil
import sys
from collections.abc import Sequence
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
        _app()(args=list(arguments), prog_name="sottovoce")
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


def _app() -> typer.Typer:
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
        elif context.invoked_subcommand is None:
            print(context.get_help())

    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{__name__}.{module.name}").register(app)
    return app
