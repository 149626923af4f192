"""`sottovoce app`: the app in the browser."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

LOOPBACK = ("127.0.0.1", "localhost", "::1")

EXAMPLES = """Examples:

  sottovoce app\n
  sottovoce app --models my-models/ --port 8600\n
  sottovoce app --host 0.0.0.0 --open --no-browser

It sends nothing anywhere: recordings stay in this machine's memory. Ctrl-C ends it."""


def register(commands: typer.Typer) -> None:
    """Add the command to the others."""
    commands.command(epilog=EXAMPLES)(app)


def app(
    models: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Offer the model files in this folder too."),
    ] = None,
    corrections: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Where corrections go, by a person's consent.",
            show_default="sottovoce-corrections",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = 8501,
    host: Annotated[str, typer.Option(help="Address that it listens on.")] = "127.0.0.1",
    is_open: Annotated[
        bool,
        typer.Option("--open", help="Let others in where --host is not this machine alone."),
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
) -> None:
    """Upload or record speech in the browser: hear, compare, see why, correct."""
    from sottovoce.errors import MissingExtraError, SottovoceError
    from sottovoce.system import listening_socket, return_large_blocks

    if importlib.util.find_spec("streamlit") is None:
        raise MissingExtraError("the app", "Streamlit", "app")
    if models is not None and not Path(models).is_dir():
        raise SottovoceError(f"{models}: no such folder; give one with .onnx files")
    if host not in LOOPBACK and not is_open:
        raise SottovoceError(
            f"on {host} others can reach the app, which asks nobody for a password; add --open if "
            "that is wanted"
        )
    listening_socket(host, port).close()  # an address that cannot be had is told here, in one line
    arguments = [] if models is None else ["--models", models]
    arguments += [] if corrections is None else ["--corrections", corrections]

    return_large_blocks()
    from streamlit.web.cli import main

    script = Path(__file__).parents[1] / "app" / "main.py"
    flags = {
        "server.address": host,
        "server.port": port,
        "server.headless": str(not browser).lower(),
        "browser.gatherUsageStats": "false",
        "logger.hideWelcomeMessage": "true",  # it asks a server outside for this machine's address
    }
    given = [f"--{name}={value}" for name, value in flags.items()]
    address = f"[{host}]" if ":" in host else host
    print(f"The app is on http://{address}:{port}", flush=True)
    main(["run", str(script), *given, "--", *arguments], prog_name="streamlit")
