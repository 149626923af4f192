"""`sottovoce listen`: which emotion the voice at the microphone carries, live."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli import _options, say
from sottovoce.options import TimelineOptions

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """Examples:

  sottovoce listen\n
  sottovoce listen --list-devices\n
  sottovoce listen --device "USB" --json > meeting.jsonl\n
  sottovoce listen --simulate interview.mp3 --speed 4

Ctrl-C ends it. Exit status: 0 it was ended so or the file was, 2 it could not listen, or wrong
usage."""


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(epilog=EXAMPLES)(listen)


@_options.takes_options(options=TimelineOptions)
def listen(
    model: _options.ModelNames = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|NAME",
            help="Which microphone; a part of its name will do.",
            show_default="the usual one",
        ),
    ] = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="List the microphones, and stop.")
    ] = False,
    simulate: Annotated[
        str | None, typer.Option(metavar="FILE", help="Take a recording as if it were live.")
    ] = None,
    speed: Annotated[
        float,
        typer.Option(metavar="TIMES", min=0.1, help="How fast a recording is taken."),
    ] = 1.0,
    profile: _options.ProfileFile = None,
    *,
    options: TimelineOptions,
    as_json: _options.Json = False,
) -> None:
    """Listen to the microphone: which emotion the voice carries, while it speaks."""
    from sottovoce.cli import _microphone
    from sottovoce.cli._output import new_console
    from sottovoce.cli._timeline_view import (
        Strip,
        live_json,
        live_lines,
        live_screen,
        show_timeline,
    )
    from sottovoce.models.registry import load

    out = new_console()
    if list_devices:
        _list_devices(out)
        return
    opened = load(model)
    strip = Strip(opened.labels)
    with ExitStack() as stack:
        if simulate is not None:
            audio = stack.enter_context(_microphone.simulated(simulate, speed))
        else:
            channels = 2 if options.channels == "split" else 1
            audio = stack.enter_context(_microphone.microphone(device, channels))
        stream = opened.stream(audio.sample_rate, profile=profile, **dict(options))
        if as_json:
            show = stack.enter_context(live_json())
        elif out.is_terminal:
            show = stack.enter_context(live_screen(out, strip, opened.labels, audio.name))
        else:
            show = stack.enter_context(live_lines(out))
        try:
            for samples in audio.blocks:
                segments = stream.feed(samples)
                strip.extend(segments)
                show(segments, samples)
        except KeyboardInterrupt:
            pass  # the usual way to end it
        last = stream.finish()
        strip.extend(last)
        show(last, None)
    if not as_json:
        show_timeline(out, strip, opened.labels, stream.summary)
    for warning in stream.warnings:
        say(f"sottovoce: {warning.message}", error=True)
    if audio.lost:
        seconds = audio.lost * _microphone.BLOCK_SECONDS
        typer.echo(
            f"sottovoce: {seconds:.1f} s were not heard, this computer is too slow; "
            "try a longer --hop",
            err=True,
        )


def _list_devices(console: Console) -> None:
    from sottovoce.cli._microphone import input_devices

    devices = input_devices()
    for device in devices:
        default = ", the usual one" if device.default else ""
        channels = "channel" if device.channels == 1 else "channels"
        console.print(
            f"{device.number}  {device.name} ({device.channels} {channels}, "
            f"{device.sample_rate} Hz{default})",
            markup=False,
            soft_wrap=True,
        )
    if not devices:
        console.print("There is no microphone.")
