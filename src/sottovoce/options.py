"""Every option of the gate, of predictions, timelines and tables of clips, defined once.

The Python API, the command line, the service's query and its streams are made from these models:
a field added here is an option everywhere. Its `description` is one sentence for people, and
`json_schema_extra` has its `unit`.
"""

from __future__ import annotations

import reprlib
from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from sottovoce.errors import SottovoceError

SHORTEST_HOP = 0.1
"""s; more often than this a label says nothing new."""
LONGEST_WAIT = 60.0
"""s that a label may wait or last; the work for each grows with it."""


class StrictModel(BaseModel):
    """Base of what is read from files and users: frozen, no unknown keys, only finite numbers.

    Give every field of a recipe's table a `description` (with its unit) and bounds: they are the
    user's documentation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def first_error(cls, error: ValidationError) -> str:
        """What was found and what was expected, for the first thing wrong."""
        problem = error.errors(include_url=False)[0]
        if not problem["loc"]:  # of several options together
            return str(problem["msg"]).removeprefix("Value error, ")
        name = str(problem["loc"][0])
        if name not in cls.model_fields:
            return f"{name}: no such option; expected {', '.join(cls.model_fields)}"
        field = cls.model_fields[name]
        expected = allowed(field)
        if not expected:
            return f"{cls._prefix()}{name}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"
        found = _shown(problem["input"], unit_of(field))
        return f"{cls._prefix()}{name} is {found}; expected {expected}"

    @classmethod
    def _prefix(cls) -> str:
        """What stands before an option's name in a message."""
        return ""


class Options(StrictModel):
    """Base of the options that people give; a value that is not allowed is one readable line.

    Raises:
        SottovoceError: an option is unknown or out of its range; the text gives the range.
    """

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SottovoceError(self.first_error(error)) from None


class GateOptions(Options, title="When there is nothing to judge"):
    """When there is nothing to judge in a recording or a window; docs/gate.md has the measurements.

    Raises:
        SottovoceError: a threshold is out of its range.
    """

    min_duration: float = Field(
        default=0.5,
        ge=0,
        description="How long a recording must be.",
        json_schema_extra={"unit": "s"},
    )
    """s; a shorter recording is `too_short`."""
    silence_rms: float = Field(
        default=0.0005,
        ge=0,
        le=1,
        description="Quieter is silence; full scale is 1.",
        json_schema_extra={"unit": "level"},
    )
    """Level (see `GateResult.rms`) below which a recording is `silence`: -66 dB of full scale."""
    speech_threshold: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="How sure the speech detector must be.",
        json_schema_extra={"unit": "probability"},
    )
    """Probability, 0..1, from which a frame of 32 ms is speech."""
    min_speech: float = Field(
        default=0.25,
        ge=0,
        description="How much speech there must be.",
        json_schema_extra={"unit": "s"},
    )
    """s of such frames; with less a recording is `no_speech`."""
    min_zero_crossing_rate: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Least zero-crossing rate of speech.",
        json_schema_extra={"unit": "rate"},
    )
    """Zero-crossing rate (see `GateResult.zero_crossing_rate`) below which a recording, or the
    window of a segment, is `no_speech`, such as 0.01 against hum; 0: it decides nothing."""

    @classmethod
    def _prefix(cls) -> str:
        return "gate: "


Channels = Literal["mix", "split"]


class PredictOptions(Options):
    """The options of a prediction.

    Raises:
        SottovoceError: a value is out of its range.
    """

    gate: GateOptions = GateOptions()
    """When there is nothing to judge."""
    min_confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Say `uncertain` below this probability.",
        json_schema_extra={"unit": "probability", "default": "the model's"},
    )
    """Below it the status is `uncertain`, 0 to 1; the card's own if None."""
    channels: Channels = Field(
        default="mix",
        description="Mix the channels, or hear each on its own.",
    )
    """"mix" them down to their mean, or "split": hear each on its own."""
    denoise: bool = Field(
        default=False,
        description="Reduce noise first; it costs accuracy as a rule (docs/recordings.md).",
    )
    """Whether the network hears its clips with their noise reduced (extra `denoise`); the gate
    hears them as they are."""

    @model_validator(mode="before")
    @classmethod
    def _gate_if_given(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("gate", ...) is None:
            return {name: value for name, value in values.items() if name != "gate"}
        return values


Lookahead = Annotated[
    float,
    Field(
        ge=0,
        le=LONGEST_WAIT,
        description="How much beyond its end is heard before a segment is final.",
        json_schema_extra={"unit": "s"},
    ),
]


class TimelineOptions(PredictOptions):
    """The options of a timeline or a stream.

    A segment lasts `hop`. Its label comes from a window that ends up to `lookahead` after it, and
    from its neighbours where there is smoothing. A stream knows a segment `lookahead` after its
    end, so the words in it get their label `hop + lookahead` after they are spoken at the latest.

    Raises:
        SottovoceError: a value is out of its range.
    """

    window: float = Field(
        default=3.0,
        gt=0,
        description="How much is heard at once.",
        json_schema_extra={"unit": "s"},
    )
    """s that the network hears at once, from the gate's `min_duration` to the model's `max`."""
    hop: float = Field(
        default=1.0,
        ge=SHORTEST_HOP,
        le=LONGEST_WAIT,
        description="How long a segment is.",
        json_schema_extra={"unit": "s"},
    )
    """s, how long a segment is; from 0.1 to `window`."""
    lookahead: Lookahead = 0.3
    """s beyond its end that are heard for a segment, 0 to 60. Up to `(window - hop) / 2` it moves
    the window, which then has the segment in its middle; each further `hop` lets the smoothing
    hear one window more."""
    smoothing: Literal["off", "mean", "hmm"] = Field(
        default="hmm",
        description="Off, the mean of neighbouring windows, or a hidden Markov model.",
    )
    """See `sottovoce.inference.smoothing`."""
    hold: float = Field(
        default=2.0,
        ge=0,
        le=LONGEST_WAIT,
        description="How long an emotion lasts before another takes over.",
        json_schema_extra={"unit": "s"},
    )
    """s of speech that a label lasts at least before another takes its place, 0 (none) to 60."""
    same_voice: bool = Field(
        default=False,
        description="One voice throughout: judge it against itself.",
    )
    """Whether each channel is one voice, to be judged against a mixed profile of itself: a timeline
    takes that of the whole recording, which is then heard twice, a stream that of what it has
    heard so far. The model must be one that takes profiles."""

    @model_validator(mode="after")
    def _windows_leave_no_gap(self) -> Self:
        if self.hop > self.window:
            raise ValueError(
                f"window is {self.window} s; expected at least the hop, {self.hop} s, so that "
                "nothing is left out"
            )
        return self

    @property
    def window_lookahead(self) -> float:
        """How long after its segment a window ends, s."""
        return min(self.lookahead, (self.window - self.hop) / 2)

    @property
    def lookahead_windows(self) -> int:
        """How many later windows the smoothing hears before a segment is final."""
        return int((self.lookahead - self.window_lookahead) / self.hop + 1e-9)

    def check_window(self, longest: float, model: str) -> None:
        """Hold the window against what a model hears at once, in s, and the gate's shortest.

        Raises:
            SottovoceError: the model hears less at once, or the gate needs more.
        """
        if not self.gate.min_duration <= self.window <= longest:
            raise SottovoceError(
                f"window is {self.window} s; expected {self.gate.min_duration:g} s, the gate's "
                f"shortest, to {longest:g} s, what {model} hears at once"
            )


class RecordingOptions(TimelineOptions):
    """The same for a recording, where nobody waits for a label: it may look further ahead."""

    lookahead: Lookahead = 3.0


def _limit(default: float, description: str, unit: str | None = None, **option: Any) -> Any:
    """A field of `Limits`, above 0; `option` says what it is called on the command line."""
    extra = {"unit": unit, "option": None} | option
    return Field(default=default, gt=0, description=description, json_schema_extra=extra)


class Limits(Options, title="Limits"):
    """What a service takes; more is refused, so that no caller can use it up.

    Raises:
        SottovoceError: a limit is not above 0.
    """

    upload: int = _limit(
        *(64_000_000, "Size of a request.", "bytes"),
        option="--max-upload",
        metavar="MB",
        scale=1_000_000,
    )
    memory: int = _limit(512_000_000, "Size of all requests held at a time.", "bytes")
    recordings: int = _limit(64, "Recordings in one request.")
    duration: float = _limit(600.0, "Length of a recording.", "s", option="--max-duration")
    """For `/v1/predict`."""
    timeline: float = _limit(4 * 3600.0, "The same for a timeline.", "s", option="--max-timeline")
    work: float = _limit(120.0, "Time that a request may take.", "s", option="--max-work")
    """To decode its recordings, or to follow one over time, once that has begun."""
    samples: int = _limit(1_500_000_000, "Samples of a request, of all recordings and channels.")
    """Four hours of two channels at 48 kHz."""
    segments: int = _limit(30_000, "Segments of a timeline, of all channels.")
    receive: float = _limit(60.0, "Time for a request's head, and again for its body.", "s")
    requests: int = _limit(128, "Requests at a time.", option="--max-requests", metavar="N")
    """With recordings."""
    streams: int = _limit(64, "Streams at a time.", option="--max-streams", metavar="N")
    strangers: int = _limit(8, "Streams of one address that have shown no key yet.")
    """All addresses together have `streams`; they take no place of those with keys."""
    key_wait: float = _limit(3.0, "Time for the key of a stream that has none in its head.", "s")
    frame: int = _limit(4_000_000, "Size of a message in a stream; a longer one ends it.", "bytes")
    idle: float = _limit(30.0, "End a stream without sound.", "s", option="--idle")
    drain: float = _limit(30.0, "Time for what is in progress when the service stops.", "s")

    @classmethod
    def _prefix(cls) -> str:
        return "limit "


class LabelSpec(StrictModel, title="Labels of a table"):
    """What stands where in a table of labels, what its times count and what its labels mean."""

    path: str = Field(
        default="file",
        description="Column of paths, relative to the table.",
        json_schema_extra={"option": "--path-column"},
    )
    label: str = Field(
        default="emotion",
        description="Column of labels, in any words, or numbers; of a TextGrid, the tier.",
        json_schema_extra={"option": "--label-column"},
    )
    start: str = Field(
        default="start",
        description="Column of starts, where a clip is a part of a file.",
        json_schema_extra={"option": "--start-column"},
    )
    end: str = Field(
        default="end",
        description="Column of ends, where a clip is a part of a file.",
        json_schema_extra={"option": "--end-column"},
    )
    rate: StrictFloat = Field(
        default=1.0,
        gt=0,
        description="What start and end count in a second: 1 for seconds, 16000 for samples at "
        "16 kHz, 100 for frames of 10 ms.",
        json_schema_extra={"metavar": "N"},
    )
    numbers: tuple[str, ...] = Field(
        default=(),
        description="Where labels are numbers: the emotions that 0, 1, 2 ... stand for.",
        json_schema_extra={"metavar": "EMOTION,EMOTION"},
    )
    map: dict[str, str] = Field(
        default={},
        description="What labels stand for: exc=happy counts what is labelled exc as happy.",
        json_schema_extra={"metavar": "LABEL=WORD", "default": False},
    )
    skip_missing: bool = Field(
        default=False,
        strict=True,
        description="Leave out clips whose files are not there, and say how many.",
    )


class TableSpec(LabelSpec, title="Columns of a table"):
    """Tables of labels and other annotations, each given as --data table=FILE."""

    speaker: str = Field(
        default="speaker",
        description="Column of speakers, where there is one.",
        json_schema_extra={"option": "--speaker-column"},
    )
    sex: str = Field(
        default="sex",
        description="Column of sexes (male, female), where there is one.",
        json_schema_extra={"option": "--sex-column"},
    )
    split: str = Field(
        default="split",
        description="Column for protocol split, where there is one.",
        json_schema_extra={"option": "--split-column"},
    )


def unit_of(field: FieldInfo) -> str | None:
    """How an option's unit is written after a number, e.g. " s"; None where it has none."""
    unit = _extra(field).get("unit")
    return None if unit is None else {"s": " s"}.get(str(unit), "")


def allowed(field: FieldInfo) -> str:
    """What an option may be, in words: "0.1 s to 60 s", "0 or more", "mix or split".

    Empty where it is neither a number with bounds nor one of several words.
    """
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return " or ".join(choices)
    unit = unit_of(field) or ""
    bounds = {
        name: getattr(entry, name)
        for entry in field.metadata
        for name in ("ge", "gt", "le")
        if hasattr(entry, name)
    }
    if "le" in bounds:
        return f"{bounds['ge']:g}{unit} to {bounds['le']:g}{unit}"
    if "gt" in bounds:
        return f"more than {bounds['gt']:g}{unit}"
    return f"{bounds['ge']:g} or more" if "ge" in bounds else ""


def _shown(value: Any, unit: str | None) -> str:
    """A value as a message shows it: a number with its unit, anything else cut short."""
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return reprlib.repr(value)
    return f"{value}{unit}" if unit is not None else reprlib.repr(value)


def _extra(field: FieldInfo) -> dict[str, Any]:
    return cast(dict[str, Any], field.json_schema_extra or {})
