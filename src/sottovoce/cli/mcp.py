"""`sottovoce mcp`: tools for language models, over the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli import _options

EXAMPLES = """Examples:

  sottovoce mcp recordings/\n
  sottovoce mcp calls/ interviews/ --model my-model.onnx

In a client's settings: {"mcpServers": {"sottovoce": {"command": "sottovoce", "args": ["mcp",
"/path/to/recordings"]}}}. It talks over standard input and output, and sends nothing anywhere
else."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(mcp)


def mcp(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER]...",
            help="Recordings in these may be judged, and no other file is read.",
            show_default="the current folder",
        ),
    ] = None,
    model: _options.ModelNames = None,
    profile: _options.ProfileFile = None,
) -> None:
    """Tell language models how recordings sound: a server of the Model Context Protocol."""
    from sottovoce.agents.mcp import make_server
    from sottovoce.errors import SottovoceError
    from sottovoce.models import tested
    from sottovoce.models.registry import find, load
    from sottovoce.text import display_path

    allowed = folders or [Path()]
    for folder in allowed:
        if not folder.is_dir():
            raise SottovoceError(f"{display_path(folder)}: no such folder; give one of recordings")
    opened = load(model)
    opened.network(profile)  # a profile that does not fit is told here
    measured = tested.read(find(model[0] if model else None), opened.card)
    resolved = [folder.resolve() for folder in allowed]
    make_server(opened, resolved, profile=profile, measured=measured).run("stdio")
