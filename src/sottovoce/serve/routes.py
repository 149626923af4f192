"""The HTTP routes: recordings, models, health and metrics."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from sottovoce.inference.profile import Profile
from sottovoce.models.card import Card
from sottovoce.results import Prediction, Segment, Status, StreamReady, TimelineResult
from sottovoce.serve.auth import caller_of, may_correct
from sottovoce.serve.errors import ServiceError
from sottovoce.serve.lines import LINES, LinesResponse, in_lines
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
from sottovoce.serve.service import Service, WorkLimit
from sottovoce.serve.uploads import one_of, read_uploads

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
            "description": "A recording (wav, flac, ogg, opus, mp3; m4a, mp4, webm, amr, wma "
            "and more where the service has the extra `media`), recognised by its content, not by "
            "its type.",
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
        (403, "A page of another site asks, or the host is not called so."),
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
    """The emotion in one recording, or in each of several; with channels=split, in each channel.

    A recording that cannot be judged is refused with 422, as the body or in a form; among several
    it gets a prediction of status `error`, and the others get theirs.
    """
    model, options = service.together(query.model), query.options
    title = model.card.title
    with service.admission.request() as reservation:
        uploads = await read_uploads(request, reservation, service.limits)
        contents = [upload.content for upload in uploads.recordings]
        profile = service.profile_for(model, uploads.profile)
        async with work_for(request, service.work_limit(service.limits.duration)) as (run, limit):
            work = (
                run(service.predict_pool, service.predict, model, content, options, profile, limit)
                for content in contents
            )
            results = await asyncio.gather(*work, return_exceptions=len(contents) > 1)
            limit.check_wanted()
        found = [_predictions(result, title) for result in results]
        predictions = [prediction for each in found for prediction in each]
        number = uuid.uuid4().hex
        await service.store_results("predict", number, query.caller, title, predictions, contents)
    duration = sum(prediction.duration or 0.0 for prediction in predictions)
    counted = service.counted_as(model)
    service.metrics.count_results("/v1/predict", counted, predictions, duration)
    content = [
        PredictionResponse(**dict(prediction), name=upload.name).to_dict()
        for upload, each in zip(uploads.recordings, found, strict=True)
        for prediction in each
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
) -> Response:
    """Emotion over time in one recording.

    With the header `Accept: application/x-ndjson` the segments come as they are worked out, a JSON
    message a line, as `/v1/stream` sends them: `ready`, each `measurement`, `finished`, or `error`.
    A sender that leaves ends the work.
    """
    model, options = service.together(query.model), query.options
    options.check_window(model.card.window.max, model.card.title)
    async with AsyncExitStack() as stack:
        reservation = stack.enter_context(service.admission.request())
        uploads = await read_uploads(request, reservation, service.limits)
        content, number = one_of(uploads.recordings).content, uuid.uuid4().hex
        own = options.same_voice and uploads.profile is None
        profile = None if own else service.profile_for(model, uploads.profile)
        run, limit = await stack.enter_async_context(
            work_for(request, service.work_limit(service.limits.timeline))
        )

        async def work(on_segment: Callable[[Segment], None]) -> TimelineResult:
            arguments = model, content, options, profile, limit, on_segment
            result: TimelineResult = await run(service.timeline_pool, service.timeline, *arguments)
            await service.store_results(
                "timeline", number, query.caller, result.model, result.segments, [content]
            )
            counted = service.counted_as(model)
            service.metrics.count_results(
                "/v1/timeline", counted, result.segments, result.summary.duration
            )
            return result

        if LINES in request.headers.get("accept", ""):
            ready = StreamReady(id=number, model=model.card.title, labels=model.card.labels)
            messages = await in_lines(ready, work)
            return LinesResponse(messages, stack.pop_all())
        result = await work(lambda segment: None)

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
        async with work_for(request, service.work_limit(service.limits.duration)) as (run, limit):
            made = await run(
                service.predict_pool, service.make_profile, model, contents, query.kind, limit
            )
    return JSONResponse(made.model_dump(mode="json"))


@router.get("/v1/models", responses={401: ERRORS[401]})
async def models(request: Request, service: TheService) -> ModelsResponse:
    """The models that are served; the first is used where a request names none."""
    cards = [model.card for model in service.models.values()]
    sizes = [file.stat().st_size for file in service.files.values()]
    return ModelsResponse(
        models=[
            ModelResponse.of(card, size=size, default=card is cards[0])
            for card, size in zip(cards, sizes, strict=True)
        ],
        corrections=service.settings.corrections is not None
        and may_correct(request, service.settings),
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


@asynccontextmanager
async def work_for(
    request: Request, limit: WorkLimit
) -> AsyncIterator[tuple[Callable[..., Awaitable[Any]], WorkLimit]]:
    """Run work for a request whose body was read, in its caller's turn; give up when it has left.

    Args:
        request: the request.
        limit: of its work.

    Yields:
        What runs a function in a pool, and the limit.
    """

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        limit.give_up()

    service: Service = request.app.state.service
    caller, watching = caller_of(request), asyncio.create_task(watch())

    def run(pool: ThreadPoolExecutor, function: Callable[..., Any], *arguments: Any) -> Any:
        return service.run_in_turn(pool, caller, function, *arguments)

    try:
        yield run, limit
    finally:
        watching.cancel()


def _predictions(result: list[Prediction] | BaseException, model: str) -> list[Prediction]:
    """In a form, the prediction of status `error` stands for a recording that is refused."""
    if isinstance(result, ServiceError):
        return [Prediction(status=Status.ERROR, model=model, message=result.detail)]
    if isinstance(result, BaseException):
        raise result
    return result
