"""What the service answers, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]

PROBABILITIES = {"neutral": 0.07, "happy": 0.81, "sad": 0.03, "angry": 0.09}

PREDICTION: dict[str, Any] = {
    "name": "interview.wav",
    "status": "ok",
    "emotion": "happy",
    "confidence": 0.81,
    "probabilities": PROBABILITIES,
    "duration": 3.42,
    "model": "ravdess8-tcn 1",
    "message": "",
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
}

MODEL: dict[str, Any] = {
    "name": "ravdess8-tcn",
    "version": "1",
    "description": "Eight emotions of acted speech.",
    "labels": ["neutral", "happy", "sad", "angry"],
    "language": "en",
    "licence": "CC-BY-NC-SA-4.0",
    "default": True,
}


def _example(value: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


class Emotion(BaseModel):
    """What was heard."""

    status: Annotated[
        str,
        Field(pattern="^(ok|uncertain|silence|no_speech|too_short|error)$"),
    ]
    """Only ok and uncertain carry an emotion."""
    emotion: str | None
    confidence: Share | None
    probabilities: dict[str, Share]


class PredictionAnswer(Emotion):
    """The answer about one recording."""

    model_config = _example(PREDICTION)

    name: str | None
    """The file's name, as the caller gave it."""
    duration: float | None
    model: str
    message: str
    """Why there is no emotion, or none that stands out."""


class Predictions(BaseModel):
    """The answers about a request's recordings, in their order."""

    model_config = _example({"id": "5f0c", "predictions": [PREDICTION]})

    id: str
    """Of the request; the store has it too."""
    predictions: list[PredictionAnswer]


class SegmentAnswer(Emotion):
    """What is said of one stretch of time, in s."""

    model_config = _example(SEGMENT)

    start: float
    end: float
    channel: int | None


class SummaryAnswer(BaseModel):
    """A recording in a few figures."""

    model_config = _example(SUMMARY)

    duration: float
    shares: dict[str, Share]
    statuses: dict[str, float]
    changes: int
    longest: SegmentAnswer | None


class TimelineAnswer(BaseModel):
    """Emotion over time."""

    model_config = _example(
        {"id": "5f0c", "model": "ravdess8-tcn 1", "segments": [SEGMENT], "summary": SUMMARY}
    )

    id: str
    model: str
    segments: list[SegmentAnswer]
    summary: SummaryAnswer


class ModelAnswer(BaseModel):
    """A model that is served, in short."""

    model_config = _example(MODEL)

    name: str
    version: str
    description: str
    labels: list[str]
    language: str
    licence: str
    default: bool
    """Whether it answers where a request names none."""


class Models(BaseModel):
    """The models that are served."""

    model_config = _example({"models": [MODEL]})

    models: list[ModelAnswer]


class Problem(BaseModel):
    """What went wrong: a code for programs, a line for people."""

    code: str
    message: str


class Failure(BaseModel):
    """Every answer that is no success."""

    model_config = _example({"error": {"code": "too_large", "message": "the body is longer ..."}})

    error: Problem


class Health(BaseModel):
    """How the service is."""

    model_config = _example({"status": "ok"})

    status: str
