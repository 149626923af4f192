"""Every result, defined once: its fields, its JSON, its row in a table, its words for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_serializer

Probability = Annotated[float, Field(json_schema_extra={"minimum": 0, "maximum": 1})]
"""0 to 1; not checked, for a mean may exceed 1 by a rounding."""


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

    model_config = ConfigDict(frozen=True)

    first_keys: ClassVar[tuple[str, ...]] = ()
    """Of the JSON; the others follow in the order of the fields."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        values = self.model_dump(mode="json", by_alias=True)
        return {key: values[key] for key in self.first_keys} | values

    def to_json(self) -> str:
        """`to_dict` as JSON on one line; always valid UTF-8, whatever the path."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave; further keys are left alone.

        Raises:
            pydantic.ValidationError: a key is missing or has another type.
        """
        return cls.model_validate(values)


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
        headings = list(dict.fromkeys([*cls.first_keys, *headings]))
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


class Prediction(_Emotion):
    """The answer about one recording."""

    first_keys = ("path",)

    source: str | None = Field(
        default=None,
        validation_alias=AliasChoices("source", "path"),
        serialization_alias="path",
    )
    r"""The path, bytes that are no UTF-8 written as `\udcXX`; None where there was none."""
    duration: float | None = None
    """s, of the whole recording; None where it could not be read."""
    model: str
    """Name and version of the model."""
    message: str = ""
    """Why there is no emotion, or none that stands out, in plain words; empty for `ok`."""

    @property
    def runner_up(self) -> str | None:
        """The second likeliest label."""
        ranked = sorted(self.probabilities, key=self.probabilities.__getitem__, reverse=True)
        return ranked[1] if ranked else None


class Segment(_Emotion):
    """The answer about one stretch of time; confidence and probabilities are after smoothing."""

    first_keys = ("start", "end", "channel")
    error_words = "the model's answer is not a number"

    start: float
    """s from the start of the recording."""
    end: float
    """s; where the next segment of the channel starts."""
    channel: int | None = None
    """1 for the first (left) channel, 2 for the second ...; None where they were mixed."""

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    @field_serializer("start", "end")
    def _microseconds(self, seconds: float) -> float:
        return round(seconds, 6)


class Summary(Result):
    """A recording, or one channel of it, in a few figures."""

    duration: float
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

    @field_serializer("duration")
    def _microseconds(self, seconds: float) -> float:
        return round(seconds, 6)
