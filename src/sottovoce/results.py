"""Every result, defined once: its fields, its JSON, its row in a table, its words for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, PlainSerializer

from sottovoce.text import CONTROLS

Probability = Annotated[float, Field(json_schema_extra={"minimum": 0, "maximum": 1})]
"""0 to 1; not checked, for a mean may exceed 1 by a rounding."""

Seconds = Annotated[float, PlainSerializer(lambda seconds: round(seconds, 6), return_type=float)]
"""s; written to the microsecond."""


class Status(StrEnum):
    """What came of a recording, or of a segment of one."""

    OK = "ok"
    SILENCE = "silence"
    NO_SPEECH = "no_speech"
    TOO_SHORT = "too_short"
    UNCERTAIN = "uncertain"
    ERROR = "error"

    @property
    def words(self) -> StatusWords:
        """The same for people."""
        return STATUS_WORDS[self]


class StatusWords(NamedTuple):
    """A status in words."""

    short: str
    """In a table's cell, where no emotion stands there: "silence"."""
    counted: str
    """After a number of recordings or a percentage: "3 silent"."""
    sentence: str
    """Why there is no emotion, or none that stands out; empty for `ok`."""


STATUS_WORDS: Mapping[Status, StatusWords] = {
    Status.OK: StatusWords("", "judged", ""),
    Status.UNCERTAIN: StatusWords("", "uncertain", "no emotion stands out"),
    Status.SILENCE: StatusWords("silence", "silent", "the recording is silent"),
    Status.NO_SPEECH: StatusWords("we hear no speech", "without speech", "we hear no speech"),
    Status.TOO_SHORT: StatusWords("too short to judge", "too short", "too short to judge"),
    Status.ERROR: StatusWords(
        "could not be read", "could not be read", "this file could not be read"
    ),
}


class Result(BaseModel):
    """Base of the results: frozen, with the one JSON form of Python, CLI, service and client."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    message_type: ClassVar[str] = ""
    """What a stream calls it, if it is a message of streams."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them, in the order of the fields."""
        return self.model_dump(mode="json", by_alias=True)

    def to_message(self) -> dict[str, Any]:
        """The same as a message of a stream."""
        return {"type": self.message_type} | self.to_dict()

    def to_json(self) -> str:
        """`to_dict` as JSON on one line; always valid UTF-8, whatever the path.

        Control characters are escaped, also those that JSON would allow as they are.
        """
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)
        return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave; further keys are left alone.

        Raises:
            pydantic.ValidationError: a key is missing or has another type.
        """
        return cls.model_validate(values)


class WarningCode(StrEnum):
    """What may be wrong with a recording, as one word for programs."""

    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    TRAILING_BYTES = "trailing_bytes"
    SILENT_CHANNEL = "silent_channel"
    ANTIPHASE = "antiphase"
    CLIPPED = "clipped"
    NARROW_BAND = "narrow_band"


class AudioWarning(Result):
    """What was not heard of a recording, or how its sound differs from what models learned."""

    code: WarningCode
    message: str
    """The same in words: "damaged at 0:56"."""
    at: Seconds | None = None
    """s from the start of what was heard, where it is about one place (the first of several)."""


Warnings = tuple[AudioWarning, ...]


class _Emotion(Result):
    """A status, and an emotion where one was heard.

    Only the statuses `ok` and `uncertain` carry an emotion, a confidence and probabilities.
    """

    status: Status
    emotion: str | None = None
    """The label; in a segment with `hold` it may for a while not be the likeliest one."""
    confidence: Probability | None = None
    """The probability of `emotion`, 0 to 1."""
    probabilities: Mapping[str, Probability] = {}
    """label -> probability, in the order of the model's labels; they sum to 1."""

    error_words: ClassVar[str] = Status.ERROR.words.short

    @classmethod
    def columns(cls, labels: Iterable[str]) -> list[str]:
        """Headings of the table whose rows `row` gives: one for each field and each label."""
        headings = [field.serialization_alias or name for name, field in cls.model_fields.items()]
        place = headings.index("probabilities")
        return [*headings[:place], *labels, *headings[place + 1 :]]

    def row(self) -> dict[str, Any]:
        """Heading -> value of one row of a table."""
        values = self.to_dict()
        probabilities: dict[str, float] = values.pop("probabilities")
        return values | probabilities

    @property
    def words(self) -> str:
        """For people: "happy", "perhaps happy", or why there is no emotion."""
        match self.status:
            case Status.OK:
                return str(self.emotion)
            case Status.UNCERTAIN:
                return f"perhaps {self.emotion}"
            case Status.ERROR:
                return self.error_words
            case _:
                return self.status.words.short


class _Source(Result):
    """Whose fields stand first in a prediction."""

    source: str | None = Field(
        default=None,
        validation_alias=AliasChoices("source", "path"),
        serialization_alias="path",
    )
    r"""The path, bytes that are no UTF-8 written as `\udcXX`; None where there was none."""


class _Channel(Result):
    """Whose field stands next, in a prediction and in a segment."""

    channel: int | None = None
    """1 for the first (left) channel, 2 for the second ...; None where they were mixed."""


class Prediction(_Emotion, _Channel, _Source):
    """The answer about one recording, or about one channel of it."""

    duration: float | None = None
    """s, of the whole recording; None where it could not be read."""
    model: str
    """Name and version of the model."""
    message: str = ""
    """Why there is no emotion, or none that stands out, in plain words; of a recording over a
    minute, that its timeline says more; else empty."""
    warnings: Warnings = ()
    """What was not heard of the recording, or is odd about its sound."""

    def row(self) -> dict[str, Any]:
        """Heading -> value of one row of a table; the warnings in words."""
        return super().row() | {"warnings": self.warning_words}

    @property
    def warning_words(self) -> str:
        """For people: the warnings one after another, empty where there are none."""
        return "; ".join(warning.message for warning in self.warnings)

    @property
    def runner_up(self) -> str | None:
        """The second likeliest label."""
        ranked = sorted(self.probabilities, key=self.probabilities.__getitem__, reverse=True)
        return ranked[1] if ranked else None


class _Span(Result):
    """Whose fields stand first in a segment."""

    start: Seconds
    """s from the start of the recording."""
    end: Seconds
    """s; where the next segment of the channel starts."""


class Segment(_Emotion, _Channel, _Span):
    """The answer about one stretch of time; confidence and probabilities are after smoothing."""

    message_type = "measurement"
    error_words = "the model's answer is not a number"

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


class Summary(Result):
    """A recording, or one channel of it, in a few figures."""

    duration: Seconds
    """s that were heard, of all channels together."""
    shares: Mapping[str, Probability]
    """label -> share of the time in which an emotion was heard (status `ok`), in the order of the
    model's labels. They sum to 1, or are all 0 where none was heard."""
    statuses: Mapping[Status, Probability]
    """status -> share of the whole time; those that occurred. They sum to 1."""
    changes: int
    """How often the emotion became another one, pauses left out."""
    longest: Segment | None
    """The longest stretch of one emotion; None where none was heard."""
    warnings: Warnings = ()
    """As in a prediction; of the recording so far, not of one channel."""


class TimelineResult(Result):
    """Emotion over time in one recording, from the service."""

    model: str
    """Name and version of the model."""
    segments: tuple[Segment, ...]
    summary: Summary


class StreamReady(Result):
    """The service takes the stream."""

    message_type = "ready"

    id: str
    """Of the stream; the store has it too."""
    model: str
    """Name and version of the model."""
    labels: tuple[str, ...]


class SpeechStarted(Result):
    """Somebody began to speak."""

    message_type = "speech_started"

    start: Seconds
    """s from the start of the stream."""
    channel: int | None = None


class SpeechEnded(Result):
    """Nobody speaks any more."""

    message_type = "speech_ended"

    end: Seconds
    """s from the start of the stream."""
    channel: int | None = None


class Problem(Result):
    """Why the service refuses a request, leaves out a message of a stream, or ended it."""

    message_type = "error"

    code: str
    """One word for programs."""
    message: str
    """One line for people: what was found, what was expected."""


class StreamFinished(Result):
    """The last message of a stream."""

    message_type = "finished"

    summary: Summary


STREAM_MESSAGES: Mapping[str, type[Result]] = {
    message.message_type: message
    for message in (StreamReady, SpeechStarted, Segment, SpeechEnded, Problem, StreamFinished)
}
"""`type` -> the messages of the service in a stream; see docs/stream-protocol.md."""


def read_message(values: Mapping[str, Any]) -> Result | None:
    """What `to_message` gave; None where the type is not known here."""
    message = STREAM_MESSAGES.get(values["type"])
    return None if message is None else message.from_dict(values)
