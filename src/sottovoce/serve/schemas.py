"""Queries and responses, as the OpenAPI document describes them.

The options come from `sottovoce.options`, the results from `sottovoce.results`: a field added there
is in the document, in the queries and in the responses.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sottovoce.emotions import colour, hatchings, letters
from sottovoce.inference.profile import Kind
from sottovoce.models.card import Card
from sottovoce.options import (
    GateOptions,
    Options,
    PredictOptions,
    RecordingOptions,
    StrictModel,
    TimelineOptions,
)
from sottovoce.results import Prediction, Problem, TimelineResult

PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
"""What a caller's id is made of: PostgreSQL takes no NUL, and a log no control characters."""

AnyOptions = TypeVar("AnyOptions", bound=Options)

CallerId = Annotated[
    str | None,
    Field(
        max_length=128,
        pattern=PRINTABLE,
        description="An id of your own, kept with the results in the store.",
        examples=["visit-7"],
    ),
]


class RequestQuery(Options):
    """The query that requests with recordings share; each adds options of `sottovoce.options`."""

    gate: ClassVar[GateOptions] = GateOptions()
    """Hides the field of that name in `PredictOptions`: the gate is not offered over HTTP."""
    model: list[str] | None = Field(
        default=None,
        description="One that `/v1/models` lists; the first where none is given. Given again, "
        "models with the same labels answer together, with the mean of their probabilities.",
        examples=[["sottovoce-small"]],
    )
    caller: CallerId = None

    def _options(self, kind: type[AnyOptions]) -> AnyOptions:
        """The options of that kind alone."""
        return kind(**{name: getattr(self, name) for name in kind.model_fields})


class PredictQuery(RequestQuery, PredictOptions):
    """Query of `/v1/predict`."""

    @property
    def options(self) -> PredictOptions:
        """The options of the predictions."""
        return self._options(PredictOptions)


class TimelineQuery(RequestQuery, RecordingOptions):
    """Query of `/v1/timeline`."""

    @property
    def options(self) -> TimelineOptions:
        """The options of the timeline."""
        return self._options(TimelineOptions)


class ProfileQuery(StrictModel):
    """Query of `/v1/profile`."""

    model: str | None = Field(default=None, description="A model's name; the first if none.")
    kind: Kind = Field(
        default="mixed",
        description="normal: one voice, spoken plainly. mixed: in whatever moods.",
    )


PROBABILITIES = {"neutral": 0.07, "happy": 0.81, "sad": 0.03, "angry": 0.09}

PREDICTION: dict[str, Any] = {
    "name": "interview.wav",
    "channel": 1,
    "status": "ok",
    "emotion": "happy",
    "confidence": 0.81,
    "probabilities": PROBABILITIES,
    "duration": 3.42,
    "model": "sottovoce-small 1.1",
    "message": "",
    "warnings": [{"code": "damaged", "message": "damaged at 0:02", "at": 2.31}],
}

SEGMENT: dict[str, Any] = {
    "start": 0.0,
    "end": 1.0,
    "channel": 1,
    "status": "ok",
    "emotion": "happy",
    "confidence": 0.81,
    "probabilities": PROBABILITIES,
}

SUMMARY: dict[str, Any] = {
    "duration": 1.0,
    "shares": {"neutral": 0.0, "happy": 1.0, "sad": 0.0, "angry": 0.0},
    "statuses": {"ok": 1.0},
    "changes": 0,
    "longest": SEGMENT,
    "warnings": [],
}

MODEL: dict[str, Any] = {
    "name": "sottovoce-small",
    "version": "1",
    "description": "Eight emotions of acted speech.",
    "labels": ["neutral", "happy", "sad", "angry"],
    "colours": {"neutral": "#9aa0a6", "happy": "#efb118", "sad": "#4269d0", "angry": "#e0432f"},
    "letters": {"neutral": "N", "happy": "H", "sad": "S", "angry": "A"},
    "hatchings": {"neutral": 0, "happy": 2, "sad": 3, "angry": 4},
    "language": "en",
    "licence": "CC-BY-NC-SA-4.0",
    "size": 9_400_000,
    "default": True,
}


def _example(value: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


class PredictionResponse(Prediction):
    """A prediction about an uploaded recording: `name` stands where a path would."""

    model_config = _example(PREDICTION)

    source: str | None = Field(default=None, alias="name")
    """The file's name, as the caller gave it."""


class _RequestId(BaseModel):
    id: str
    """Of the request; the store has it too."""


class PredictResponse(_RequestId):
    """The predictions about a request's recordings, in their order."""

    model_config = _example({"id": "5f0c", "predictions": [PREDICTION]})

    predictions: list[PredictionResponse]


class TimelineResponse(TimelineResult, _RequestId):
    """Emotion over time."""

    model_config = _example(
        {"id": "5f0c", "model": "sottovoce-small 1.1", "segments": [SEGMENT], "summary": SUMMARY}
    )


class ModelResponse(BaseModel):
    """A model that is served, in short."""

    model_config = _example(MODEL)

    name: str
    version: str
    description: str
    labels: list[str]
    colours: dict[str, str]
    """Label -> the colour that stands for it everywhere, #rrggbb."""
    letters: dict[str, str]
    """Label -> the letter that stands for it."""
    hatchings: dict[str, int]
    """Label -> the number of the hatching that stands for it everywhere."""
    language: str
    licence: str
    size: int
    """Bytes of its file; a pretrained encoder, where it needs one, is not in it."""
    default: bool
    """Whether it is used where a request names none."""

    @classmethod
    def of(cls, card: Card, *, size: int, default: bool) -> ModelResponse:
        """What a model's card has of it; `size` in bytes."""
        own = {"name", "version", "description", "labels", "language", "licence"}
        return cls(
            **card.model_dump(mode="json", include=own),
            colours={label: colour(label, card.labels) for label in card.labels},
            letters=letters(card.labels),
            hatchings=hatchings(card.labels),
            size=size,
            default=default,
        )


class ModelsResponse(BaseModel):
    """The models that are served."""

    model_config = _example({"models": [MODEL], "corrections": False})

    models: list[ModelResponse]
    corrections: bool
    """Whether `/v1/corrections` takes any from this caller."""


class ErrorResponse(BaseModel):
    """Every response that is no success."""

    model_config = _example({"error": {"code": "too_large", "message": "the body is longer ..."}})

    error: Problem


class HealthResponse(BaseModel):
    """How the service is."""

    model_config = _example({"status": "ok"})

    status: str
