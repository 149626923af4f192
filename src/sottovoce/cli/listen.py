"""`sottovoce listen`: which emotion the voice at the microphone carries, live."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from sottovoce.cli import _options
from sottovoce.cli._options import DEFAULTS

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


def listen(
    model: _options.ModelName = None,
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
    window: _options.WindowLength = DEFAULTS.window,
    hop: _options.Hop = DEFAULTS.hop,
    lookahead: _options.Lookahead = DEFAULTS.lookahead,
    smoothing: _options.SmoothingName = DEFAULTS.smoothing,
    hold: _options.HoldTime = DEFAULTS.hold,
    channels: _options.ChannelsKind = DEFAULTS.channels,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a segment, and nothing else.")
    ] = False,
    min_confidence: _options.MinConfidence = None,
    silence_rms: _options.SilenceRms = None,
    speech_threshold: _options.SpeechThreshold = None,
    min_speech: _options.MinSpeech = None,
) -> None:
    """Listen to the microphone: which emotion the voice carries, while it speaks."""
    from rich.console import Console

    from sottovoce.cli import _live, _screen, _writers
    from sottovoce.cli._timeline_view import Strip
    from sottovoce.models.registry import load

    out = Console(highlight=False)
    if list_devices:
        _list(out)
        return
    asked = _options.options(
        window=window,
        hop=hop,
        lookahead=lookahead,
        smoothing=smoothing,
        hold=hold,
        channels=channels,
        min_confidence=min_confidence,
        silence_rms=silence_rms,
        speech_threshold=speech_threshold,
        min_speech=min_speech,
    )
    opened = load(model)
    strip = Strip(opened.labels)
    with ExitStack() as stack:
        if simulate is not None:
            sound = stack.enter_context(_live.simulated(simulate, speed))
        else:
            sound = stack.enter_context(_live.microphone(device, 2 if channels == "split" else 1))
        stream = opened.stream(sound.sample_rate, **asked)
        if as_json:
            show = stack.enter_context(_screen.json_lines())
        elif out.is_terminal:
            show = stack.enter_context(_screen.screen(out, strip, opened.labels, sound.name))
        else:
            show = stack.enter_context(_screen.lines(out))
        try:
            for samples in sound.blocks:
                segments = stream.feed(samples)
                strip.extend(segments)
                show(segments, samples)
        except KeyboardInterrupt:
            pass  # the usual way to end it
        rest = stream.finish()
        strip.extend(rest)
        show(rest, None)
    if not as_json:
        _writers.show(out, strip, opened.labels, stream.summary)
    if sound.lost:
        seconds = sound.lost * _live.BLOCK_SECONDS
        typer.echo(
            f"sottovoce: {seconds:.1f} s were not heard, this computer is too slow; "
            "try a longer --hop",
            err=True,
        )


def _list(console: Console) -> None:
    from sottovoce.cli._live import inputs

    found = inputs()
    for one in found:
        usual = ", the usual one" if one.usual else ""
        channels = "channel" if one.channels == 1 else "channels"
        console.print(
            f"{one.number}  {one.name} ({one.channels} {channels}, {one.sample_rate} Hz{usual})",
            markup=False,
            soft_wrap=True,
        )
    if not found:
        console.print("There is no microphone.")
