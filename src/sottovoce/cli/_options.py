"""The options that `predict`, `timeline` and `listen` share, and what they ask for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from sottovoce.options import GateOptions, TimelineOptions

GATE = "When there is nothing to judge"
DEFAULTS = TimelineOptions()

ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FILE",
        help="A name that `sottovoce models` lists, or an .onnx file.",
        show_default="the built-in model",
    ),
]
WindowLength = Annotated[
    float, typer.Option("--window", metavar="SECONDS", help="How much is heard at once.")
]
Hop = Annotated[float, typer.Option("--hop", metavar="SECONDS", help="How long a segment is.")]
Lookahead = Annotated[
    float,
    typer.Option(
        "--lookahead",
        metavar="SECONDS",
        help="How much beyond its end is heard before a segment is final.",
    ),
]
SmoothingName = Annotated[
    Literal["off", "mean", "hmm"],
    typer.Option(
        "--smoothing", help="Off, the mean of neighbouring windows, or a hidden Markov model."
    ),
]
HoldTime = Annotated[
    float,
    typer.Option(
        "--hold", metavar="SECONDS", help="How long an emotion lasts before another takes over."
    ),
]
ChannelsKind = Annotated[
    Literal["mix", "split"],
    typer.Option("--channels", help="Mix the channels, or follow each on its own."),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence",
        metavar="0..1",
        min=0,
        max=1,
        help="Say `uncertain` below this probability.",
        show_default="the model's",
    ),
]
SilenceRms = Annotated[
    float | None,
    typer.Option(
        "--silence-rms",
        metavar="LEVEL",
        rich_help_panel=GATE,
        help="Quieter is silence; full scale is 1.",
    ),
]
SpeechThreshold = Annotated[
    float | None,
    typer.Option(
        "--speech-threshold",
        metavar="0..1",
        rich_help_panel=GATE,
        help="How sure the speech detector must be.",
    ),
]
MinSpeech = Annotated[
    float | None,
    typer.Option(
        "--min-speech",
        metavar="SECONDS",
        rich_help_panel=GATE,
        help="How much speech there must be.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, help="Threads.", show_default="one a processor, at most 4"
    ),
]


def options(
    *,
    window: float,
    hop: float,
    lookahead: float,
    smoothing: Literal["off", "mean", "hmm"],
    hold: float,
    channels: Literal["mix", "split"],
    min_confidence: float | None,
    silence_rms: float | None,
    speech_threshold: float | None,
    min_speech: float | None,
) -> dict[str, Any]:
    """What the options on the command line ask of a timeline or a stream.

    Raises:
        SottovoceError: a threshold of the gate is out of its range.
    """
    chosen = {
        "silence_rms": silence_rms,
        "speech_threshold": speech_threshold,
        "min_speech": min_speech,
    }
    return {
        "window": window,
        "hop": hop,
        "lookahead": lookahead,
        "smoothing": smoothing,
        "hold": hold,
        "channels": channels,
        "gate": GateOptions(**{name: value for name, value in chosen.items() if value is not None}),
        "min_confidence": min_confidence,
    }
