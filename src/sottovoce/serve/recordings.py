"""The routes that take recordings: `/v1/predict` and `/v1/timeline`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from sottovoce.errors import SottovoceError
from sottovoce.options import RecordingOptions, TimelineOptions
from sottovoce.results import Prediction, Segment, Summary
from sottovoce.serve.batching import SharedModel
from sottovoce.serve.errors import Refusal
from sottovoce.serve.schemas import Failure, Predictions, TimelineAnswer
from sottovoce.serve.service import Service, failed
from sottovoce.serve.store import PRINTABLE
from sottovoce.serve.uploads import Recording, read_body
from sottovoce.text import one_line

DEFAULTS = TimelineOptions()

ModelName = Annotated[
    str | None,
    Query(
        description="One that `/v1/models` lists; the first where none is given.",
        examples=["ravdess8-tcn"],
    ),
]
Threshold = Annotated[
    float | None,
    Query(ge=0, le=1, description="Say `uncertain` below this probability; else the model's own."),
]
Caller = Annotated[
    str | None,
    Query(
        max_length=128,
        pattern=PRINTABLE,
        description="An id of your own, kept with the results in the store.",
        examples=["visit-7"],
    ),
]

_RECORDING = {"type": "string", "format": "binary"}


def _body(form: Mapping[str, Any]) -> dict[str, Any]:
    """The OpenAPI description of a body; the code reads it itself, so that it stays in memory."""
    raw = {"schema": _RECORDING}
    return {
        "requestBody": {
            "required": True,
            "description": "A recording (wav, flac, ogg, opus, mp3; m4a, mp4 and webm where the "
            "service has the extra `media`), told by its content, whatever its type is said to be.",
            "content": {
                "multipart/form-data": {"schema": form},
                "application/octet-stream": raw,
                "audio/wav": raw,
            },
        }
    }


SEVERAL = _body(
    {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {"file": {"type": "array", "items": _RECORDING, "minItems": 1}},
    }
)
ONE = _body(
    {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {"file": _RECORDING},
    }
)

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Failure, "description": "The body was cut short, or is not a whole form."},
    401: {"model": Failure, "description": "No API key, or one that is not known."},
    404: {"model": Failure, "description": "No such model is served."},
    408: {"model": Failure, "description": "The body came too slowly."},
    413: {"model": Failure, "description": "Too large, too long, too many, or too much work."},
    415: {"model": Failure, "description": "The body is said to be text."},
    422: {"model": Failure, "description": "Not a recording, or an option out of its range."},
    429: {
        "model": Failure,
        "description": "Too much at a time.",
        "headers": {"Retry-After": {"schema": {"type": "string"}, "description": "s to wait"}},
    },
    503: {"model": Failure, "description": "The service is about to stop."},
}

router = APIRouter(prefix="/v1", responses=REFUSALS)


@router.post("/predict", response_model=Predictions, openapi_extra=SEVERAL)
async def predict(
    request: Request,
    model: ModelName = None,
    min_confidence: Threshold = None,
    caller: Caller = None,
) -> JSONResponse:
    """The emotion in one recording, or in each of several.

    What cannot be judged is refused with 422 where it is the body, and gets an answer of status
    `error` in a form, in which the others get theirs.
    """
    service: Service = request.app.state.service
    chosen = service.model(model)
    with service.admission.request() as place:
        body = await read_body(request, place, service.limits)
        recordings = body.recordings
        work = (_judged(service, chosen, one, min_confidence) for one in recordings)
        found = await asyncio.gather(*work, return_exceptions=body.is_form)
        predictions = [_answer(chosen, one) for one in found]
        number, title = uuid.uuid4().hex, chosen.card.title
        contents = [one.content for one in recordings]
        await service.keep("predict", number, caller, title, predictions, contents)
    service.metrics.count(
        "/v1/predict",
        title,
        ((one.status, one.emotion) for one in predictions),
        sum(one.duration or 0.0 for one in predictions),
    )
    named = zip(recordings, predictions, strict=True)
    answers = [{"name": one.name} | _without_path(prediction) for one, prediction in named]
    return JSONResponse({"id": number, "predictions": answers})


@router.post("/timeline", response_model=TimelineAnswer, openapi_extra=ONE)
async def timeline(
    request: Request,
    model: ModelName = None,
    window: Annotated[float, Query(description="s heard at once.")] = DEFAULTS.window,
    hop: Annotated[float, Query(description="s, how long a segment is.")] = DEFAULTS.hop,
    lookahead: Annotated[
        float, Query(description="s heard beyond a segment's end.")
    ] = RecordingOptions().lookahead,
    smoothing: Annotated[Literal["off", "mean", "hmm"], Query()] = DEFAULTS.smoothing,
    hold: Annotated[
        float, Query(description="s that an emotion lasts before another takes over.")
    ] = DEFAULTS.hold,
    channels: Annotated[
        Literal["mix", "split"], Query(description="Mix the channels, or follow each.")
    ] = DEFAULTS.channels,
    min_confidence: Threshold = None,
    caller: Caller = None,
) -> JSONResponse:
    """Emotion over time in one recording."""
    service: Service = request.app.state.service
    chosen = service.model(model)
    options: dict[str, Any] = {
        "window": window,
        "hop": hop,
        "lookahead": lookahead,
        "smoothing": smoothing,
        "hold": hold,
        "channels": channels,
        "min_confidence": min_confidence,
    }
    check_options(chosen, options)
    with service.admission.request() as place:
        recordings = (await read_body(request, place, service.limits)).recordings
        if len(recordings) > 1:
            message = f"{len(recordings)} recordings; a timeline is of one"
            raise Refusal(422, "too_many", message)
        content = recordings[0].content
        segments, summary = await service.run(
            service.long, service.follow, chosen, content, options
        )
        number, title = uuid.uuid4().hex, chosen.card.title
        await service.keep("timeline", number, caller, title, segments, [content])
    service.metrics.count(
        "/v1/timeline",
        title,
        ((one.status, one.emotion) for one in segments),
        summary.duration,
    )
    return await service.run(service.long, _timeline_answer, number, title, segments, summary)


def check_options(model: SharedModel, options: dict[str, Any]) -> None:
    """Hold the options of a timeline or a stream against their ranges.

    Raises:
        Refusal: 422.
    """
    try:
        chosen = TimelineOptions(**options)
        chosen.check_window(model.card.window.max, model.card.title)
    except SottovoceError as error:
        raise Refusal(422, "bad_option", one_line(error)) from None


async def _judged(
    service: Service, model: SharedModel, recording: Recording, threshold: float | None
) -> Prediction:
    return await service.run(service.short, service.predict, model, recording.content, threshold)


def _answer(model: SharedModel, found: Prediction | BaseException) -> Prediction:
    if isinstance(found, Prediction):
        return found
    if isinstance(found, Refusal):
        return failed(model, found)
    raise found


def _timeline_answer(
    number: str, title: str, segments: list[Segment], summary: Summary
) -> JSONResponse:
    """The answer as text; to be made in a thread, for hours of segments take a while."""
    return JSONResponse(
        {
            "id": number,
            "model": title,
            "segments": [one.to_dict() for one in segments],
            "summary": summary.to_dict(),
        }
    )


def _without_path(prediction: Prediction) -> dict[str, Any]:
    answer = prediction.to_dict()
    del answer["path"]
    return answer
