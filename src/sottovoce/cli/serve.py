"""`sottovoce serve`: the models behind HTTP and WebSocket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli import _options
from sottovoce.cli._options import takes_options
from sottovoce.options import Limits

ACCESS = "Who may use it"
RESULTS = "Keep results"

EXAMPLES = """Examples:

  sottovoce serve\n
  curl -F file=@interview.wav http://127.0.0.1:8000/v1/predict\n
  sottovoce serve --host 0.0.0.0 --keys keys.txt --cors https://example.org\n
  sottovoce serve --store sqlite:///results.db

API keys stand in a file, one a line, or in $SOTTOVOCE_API_KEYS. They are needed where there
are any, and there must be some, or --open, where other machines can reach the service. SIGTERM or
Ctrl-C ends it after what it has.

Exit status: 0 it was ended so, 2 it could not start, or wrong usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(serve)


@takes_options(limits=Limits)
def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 is everywhere.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="0 is any free one.")
    ] = 8000,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE",
            help="What to serve; may be given again, and requests without a name get the first.",
            show_default="the built-in model",
        ),
    ] = None,
    profile: _options.ProfileFile = None,
    keys: Annotated[
        str | None,
        typer.Option(metavar="FILE", rich_help_panel=ACCESS, help="API keys, one a line."),
    ] = None,
    open_to_all: Annotated[
        bool,
        typer.Option("--open", rich_help_panel=ACCESS, help="Let everybody in who can reach it."),
    ] = False,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            rich_help_panel=ACCESS,
            help="A site whose pages may send requests, such as https://example.org; * for all.",
            show_default="none",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=ACCESS,
            help="A name that it is reached by, where no key is needed; may be given again.",
            show_default="this machine's, and --host",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="SOTTOVOCE_STORE",
            rich_help_panel=RESULTS,
            help="sqlite:///FILE or postgresql://USER@HOST/NAME.",
            show_default="nothing is kept",
        ),
    ] = None,
    store_audio: Annotated[
        bool,
        typer.Option("--store-audio", rich_help_panel=RESULTS, help="Keep the recordings as well."),
    ] = False,
    corrections: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            rich_help_panel=RESULTS,
            help="Take corrections from the page, and keep stretches and labels here, as a table "
            "to train on.",
            show_default="none are taken",
        ),
    ] = None,
    *,
    limits: Limits,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log no requests.")] = False,
) -> None:
    """Serve models over HTTP and WebSocket, at first to this machine alone."""
    import logging
    import os

    from sottovoce.errors import SottovoceError
    from sottovoce.serve import Settings, create_app
    from sottovoce.serve.auth import KEYS_VARIABLE, read_keys
    from sottovoce.serve.server import bind, run
    from sottovoce.serve.settings import is_loopback
    from sottovoce.system import return_large_blocks

    api_keys = read_keys(keys, os.environ)
    if not (api_keys or open_to_all or is_loopback(host)):
        raise SottovoceError(
            f"{host} can be reached from other machines; give --keys FILE or ${KEYS_VARIABLE}, or "
            "--open to let everybody in"
        )
    if open_to_all and api_keys:
        raise SottovoceError("--open and API keys were given; leave one of them out")
    if corrections is not None and not (api_keys or is_loopback(host)):
        raise SottovoceError(
            f"--corrections would keep recordings of anybody who reaches {host}; give --keys FILE, "
            "or listen on 127.0.0.1"
        )
    settings = Settings(
        models=tuple(model or [None]),
        keys=tuple(api_keys),
        cors=tuple(cors or ()),
        hosts=(host, *(allow_host or ())),
        store=store,
        store_audio=store_audio,
        corrections=corrections,
        profile=profile,
        limits=limits,
    )
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("sottovoce.serve").setLevel(logging.WARNING if quiet else logging.INFO)
    return_large_blocks()
    with bind(host, port) as listener:
        app = create_app(settings)
        run(app, listener, lambda address: print(f"Sottovoce listens on {address}", flush=True))
