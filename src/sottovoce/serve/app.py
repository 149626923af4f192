"""The ASGI app of the service: routes, keys, CORS, errors and metrics put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from sottovoce import __version__
from sottovoce.serve import routes, stream, studio, twilio
from sottovoce.serve.auth import check_client, require_key
from sottovoce.serve.errors import add_error_handlers
from sottovoce.serve.middleware import RequestLogMiddleware
from sottovoce.serve.service import Service
from sottovoce.serve.settings import Settings
from sottovoce.serve.web_page import add_page

ABOUT = """Hears how something is said: which emotion a voice carries, and how sure that is.

It was learned from acted speech. It says how an utterance sounds, not what a person feels; see each
model's card for what it cannot do."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app, with its models open.

    Args:
        settings: the defaults if None.

    Raises:
        SottovoceError: a model, a limit or the store cannot be used.
    """
    service = Service(settings or Settings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPIOffline(  # /docs loads nothing from elsewhere; Redoc would, a logo
        title="Sottovoce",
        version=__version__,
        description=ABOUT,
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.service = service
    key_needed = [Depends(require_key)] if service.settings.keys else []
    guarded = [Depends(check_client), *key_needed]
    app.include_router(routes.router, dependencies=guarded)
    app.include_router(studio.router, dependencies=guarded)
    app.include_router(routes.public)
    app.include_router(stream.router)
    app.include_router(twilio.router)
    add_page(app)
    add_error_handlers(app)
    if service.settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.cors,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
        )
    app.add_middleware(RequestLogMiddleware, metrics=service.metrics)
    return app
