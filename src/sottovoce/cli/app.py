"""`sottovoce app`: the page of the service, on this machine, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """Examples:

  sottovoce app\n
  sottovoce app --model mine.onnx --model sottovoce-small

Recordings stay in the browser, and nothing leaves this machine. For other machines there is
`sottovoce serve`, which serves the same page. Ctrl-C ends it."""


def register(commands: typer.Typer) -> None:
    """Add the command to the others."""
    commands.command(epilog=EXAMPLES)(app)


def app(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="What to offer; may be given again, and the first is used at the start.",
            show_default="the built-in model, and all that `sottovoce models` lists",
        ),
    ] = None,
    corrections: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep stretches and labels here too, where people agree, as a table to train on.",
            show_default="they stay in the browser",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 is any free one.")] = 8600,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
) -> None:
    """Open recordings, or the microphone, in the browser: hear, look, compare, correct."""
    import logging
    import webbrowser

    from sottovoce.errors import SottovoceError
    from sottovoce.models.registry import DEFAULT, available
    from sottovoce.serve import Settings, create_app
    from sottovoce.serve.server import bind, run
    from sottovoce.serve.web_page import NOT_BUILT, is_built
    from sottovoce.system import return_large_blocks

    if not is_built():
        raise SottovoceError(NOT_BUILT)

    def started(address: str) -> None:
        print(f"Sottovoce is on {address}", flush=True)
        if browser:
            webbrowser.open(address)

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    return_large_blocks()
    with bind("127.0.0.1", port) as listener:
        settings = Settings(
            models=tuple(model or [None]),
            on_demand=() if model else tuple(name for name in available() if name != DEFAULT),
            corrections=corrections,
        )
        service = create_app(settings)
        run(service, listener, started)
