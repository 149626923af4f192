"""The routes that tell about the service: its models, its health, its metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from sottovoce.models.card import Card
from sottovoce.serve.metrics import CONTENT_TYPE
from sottovoce.serve.schemas import Failure, Health, ModelAnswer, Models
from sottovoce.serve.service import Service

router = APIRouter()
"""For everybody."""

guarded = APIRouter(responses={401: {"model": Failure}})
"""For those with a key."""


@guarded.get("/v1/models")
async def models(request: Request) -> Models:
    """The models that are served; the first answers where a request names none."""
    service: Service = request.app.state.service
    cards = [model.card for model in service.models.values()]
    return Models(
        models=[
            ModelAnswer(
                name=card.name,
                version=card.version,
                description=card.description,
                labels=list(card.labels),
                language=card.language,
                licence=card.licence,
                default=card is cards[0],
            )
            for card in cards
        ]
    )


@guarded.get("/v1/models/{name}", responses={404: {"model": Failure}})
async def card(request: Request, name: str) -> Card:
    """The card of a model: labels, figures with their protocol, what it cannot do, licence."""
    service: Service = request.app.state.service
    return service.model(name).card


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", response_model=Health, responses={503: {"model": Health}})
async def readyz(request: Request) -> JSONResponse:
    """Whether it takes requests: not while it is stopping, or cannot reach its store."""
    service: Service = request.app.state.service
    status = await service.is_ready()
    return JSONResponse({"status": status}, 200 if status == "ok" else 503)


@guarded.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """Counters and durations, for Prometheus."""
    service: Service = request.app.state.service
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)
