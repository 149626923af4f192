"""`sottovoce details`: a prediction step by step, with the features that the network takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sottovoce.cli import _options
from sottovoce.options import GateOptions

EXAMPLES = """Examples:

  sottovoce details interview.wav --plot interview.png"""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(details)


@_options.takes_options(gate=GateOptions)
def details(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The recording.", show_default=False)],
    model: _options.ModelName = None,
    as_json: _options.Json = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the sound and the features: .png, .svg or .pdf.", metavar="FILE"),
    ] = None,
    *,
    gate: GateOptions,
) -> None:
    """Show a prediction step by step: length, shape of the features, time of each step."""
    from sottovoce.models.registry import load

    kind = plot.suffix.lower().removeprefix(".") if plot else ""
    if plot and kind not in ("png", "svg", "pdf"):
        raise typer.BadParameter("name it .png, .svg or .pdf", param_hint="--plot")
    found = load(model).details(path, gate=gate)
    if plot:
        found.draw(str(plot), kind)
    times = {step: round(1000 * seconds, 2) for step, seconds in found.seconds.items()}
    if as_json:
        record = {"shape": found.shape, "milliseconds": times}
        typer.echo(json.dumps(found.prediction.to_dict() | record, ensure_ascii=False))
        return
    prediction = found.prediction
    sure = f", {prediction.confidence:.0%}" if prediction.confidence is not None else ""
    typer.echo(f"{prediction.words}{sure} ({prediction.model}), {found.duration:.1f} s")
    if found.shape:
        typer.echo(f"features: {found.shape[0]} in {found.shape[1]} frames")
    typer.echo(", ".join(f"{step} {time:.1f} ms" for step, time in times.items()))
