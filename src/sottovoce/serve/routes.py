"""The HTTP routes: recordings, models, health and metrics."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from sottovoce.inference.profile import Profile
from sottovoce.models.card import Card
from sottovoce.results import Prediction, Status
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.metrics import CONTENT_TYPE
from sottovoce.serve.schemas import (
    ErrorResponse,
    HealthResponse,
    ModelResponse,
    ModelsResponse,
    PredictionResponse,
    PredictQuery,
    PredictResponse,
    ProfileQuery,
    TimelineQuery,
    TimelineResponse,
)
from sottovoce.serve.service import Service
from sottovoce.serve.uploads import read_uploads

_RECORDING = {"type": "string", "format": "binary"}


def body(files: Mapping[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of a body; `uploads` reads it, so that FastAPI leaves it alone.

    Args:
        files: the schema of the form's field `file`.
    """
    form = {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {
            "file": files,
            "profile": {
                "type": "string",
                "description": "The JSON of a profile to judge with, as /v1/profile gives it.",
            },
        },
    }
    raw = {"schema": _RECORDING}
    return {
        "requestBody": {
            "required": True,
            "description": "A recording (wav, flac, ogg, opus, mp3; m4a, mp4 and webm where the "
            "service has the extra `media`), recognised by its content, not by its type.",
            "content": {
                "multipart/form-data": {"schema": form},
                "application/octet-stream": raw,
                "audio/wav": raw,
            },
        }
    }


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": description}
    for status, description in (
        (400, "The body was cut short, or is not a whole form."),
        (401, "No API key, or one that is not known."),
        (404, "No such model is served."),
        (408, "The body came too slowly."),
        (413, "Too large, too long, too many, or too much work."),
        (415, "The body is declared as text."),
        (422, "Not a recording, or an option out of its range."),
        (429, "Too much at a time."),
        (503, "The service is about to stop."),
    )
}
ERRORS[429]["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "s to wait"}}


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(_service)]

router = APIRouter()
"""The routes that need a key, where the service has keys."""

public = APIRouter()
"""The routes for everybody."""


@router.post(
    "/v1/predict",
    response_model=PredictResponse,
    responses=ERRORS,
    openapi_extra=body({"type": "array", "items": _RECORDING, "minItems": 1}),
)
async def predict(
    request: Request, query: Annotated[PredictQuery, Query()], service: TheService
) -> JSONResponse:
    """The emotion in one recording, or in each of several.

    A recording that cannot be judged is refused with 422 where it is the body; in a form it gets a
    prediction of status `error`, and the others get theirs.
    """
    model, options = service.model(query.model), query.options
    title = model.card.title
    with service.admission.request() as reservation:
        uploads = await read_uploads(request, reservation, service.limits)
        contents = [upload.content for upload in uploads.recordings]
        profile = service.profile_for(model, uploads.profile)
        work = (
            service.run(service.predict_pool, service.predict, model, content, options, profile)
            for content in contents
        )
        results = await asyncio.gather(*work, return_exceptions=uploads.is_form)
        predictions = [_prediction(result, title) for result in results]
        number = uuid.uuid4().hex
        await service.store_results("predict", number, query.caller, title, predictions, contents)
    duration = sum(prediction.duration or 0.0 for prediction in predictions)
    service.metrics.count_results("/v1/predict", title, predictions, duration)
    named = zip(uploads.recordings, predictions, strict=True)
    content = [
        PredictionResponse(**dict(prediction), name=upload.name).to_dict()
        for upload, prediction in named
    ]
    return JSONResponse({"id": number, "predictions": content})


@router.post(
    "/v1/timeline",
    response_model=TimelineResponse,
    responses=ERRORS,
    openapi_extra=body(_RECORDING),
)
async def timeline(
    request: Request, query: Annotated[TimelineQuery, Query()], service: TheService
) -> JSONResponse:
    """Emotion over time in one recording."""
    model, options = service.model(query.model), query.options
    options.check_window(model.card.window.max, model.card.title)
    with service.admission.request() as reservation:
        uploads = await read_uploads(request, reservation, service.limits)
        recordings = uploads.recordings
        own = options.same_voice and uploads.profile is None
        profile = None if own else service.profile_for(model, uploads.profile)
        if len(recordings) > 1:
            message = f"{len(recordings)} recordings; a timeline is of one"
            raise ServiceError(422, "too_many", message)
        content, number = recordings[0].content, uuid.uuid4().hex
        result = await service.run(
            service.timeline_pool, service.timeline, model, content, options, profile
        )
        await service.store_results(
            "timeline", number, query.caller, result.model, result.segments, [content]
        )
    service.metrics.count_results(
        "/v1/timeline", result.model, result.segments, result.summary.duration
    )

    def response() -> JSONResponse:
        return JSONResponse({"id": number} | result.to_dict())

    return await service.run(service.timeline_pool, response)  # hours of segments take a while


@router.post(
    "/v1/profile",
    response_model=Profile,
    responses=ERRORS,
    openapi_extra=body({"type": "array", "items": _RECORDING, "minItems": 1}),
)
async def profile(
    request: Request, query: Annotated[ProfileQuery, Query()], service: TheService
) -> JSONResponse:
    """A profile of one or more recordings of a voice or a place; nothing is kept.

    Send it with later requests, in the form's field `profile` or in a stream's config.
    """
    model = service.model(query.model)
    with service.admission.request() as reservation:
        uploads = await read_uploads(request, reservation, service.limits)
        contents = [upload.content for upload in uploads.recordings]
        made = await service.run(
            service.predict_pool, service.make_profile, model, contents, query.kind
        )
    return JSONResponse(made.model_dump(mode="json"))


@router.get("/v1/models", responses={401: ERRORS[401]})
async def models(service: TheService) -> ModelsResponse:
    """The models that are served; the first is used where a request names none."""
    cards = [model.card for model in service.models.values()]
    sizes = [file.stat().st_size for file in service.files.values()]
    return ModelsResponse(
        models=[
            ModelResponse.of(card, size=size, default=card is cards[0])
            for card, size in zip(cards, sizes, strict=True)
        ]
    )


@router.get("/v1/models/{name}", responses={401: ERRORS[401], 404: ERRORS[404]})
async def model_card(service: TheService, name: str) -> Card:
    """The card of a model: labels, figures with their protocol, what it cannot do, licence."""
    return service.model(name).card


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        401: ERRORS[401],
    },
)
async def metrics(service: TheService) -> Response:
    """Counters and durations, for Prometheus."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


@public.get("/healthz")
async def healthz() -> HealthResponse:
    """The process is alive."""
    return HealthResponse(status="ok")


@public.get("/readyz", response_model=HealthResponse, responses={503: {"model": HealthResponse}})
async def readyz(service: TheService) -> JSONResponse:
    """Whether it takes requests: not while it is stopping, or cannot reach its store."""
    status = await service.readiness()
    return JSONResponse({"status": status}, 200 if status == "ok" else 503)


def _prediction(result: Prediction | BaseException, model: str) -> Prediction:
    """In a form, the prediction of status `error` stands for a recording that is refused."""
    if isinstance(result, ServiceError):
        return Prediction(status=Status.ERROR, model=model, message=result.detail)
    if isinstance(result, BaseException):
        raise result
    return result
