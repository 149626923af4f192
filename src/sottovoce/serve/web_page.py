"""The web page at `/`: its files, and the headers that keep it from fetching or running others."""

from __future__ import annotations

import secrets
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

FOLDER = Path(__file__).parent / "page"

BUILT = FOLDER / "vendor" / "wavesurfer.js"
"""Comes from npm; see `hatch_build.py`."""

NOT_BUILT = "the page's libraries are not here; in a checkout, run once: make page"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'nonce-{nonce}'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy: nothing inline runs, nothing leaves the server; the nonce is for the
styles that wavesurfer.js puts into its own shadow tree."""

HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}

router = APIRouter(include_in_schema=False)


def is_built() -> bool:
    """Whether the page's libraries are in the package."""
    return BUILT.is_file()


@router.get("/")
async def index() -> Response:
    """The page."""
    if not is_built():
        return PlainTextResponse(NOT_BUILT + "\n", 503)
    nonce = secrets.token_urlsafe(16)
    html = (FOLDER / "index.html").read_text(encoding="utf-8").replace("{{nonce}}", nonce)
    policy = POLICY.format(nonce=nonce)
    headers = HEADERS | {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return HTMLResponse(html, headers=headers)


class PageFiles(StaticFiles):
    """The page's files: checked for changes each time, and never taken for another type."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = HEADERS | {"Cache-Control": "no-cache"}
                message["headers"] = [
                    *message["headers"],
                    *((name.lower().encode(), value.encode()) for name, value in extra.items()),
                ]
            await send(message)

        await super().__call__(scope, receive, send_with_headers)


def add_page(app: FastAPI) -> None:
    """Serve the page at `/`, and its files under `/page`."""
    app.include_router(router)
    app.mount("/page", GZipMiddleware(PageFiles(directory=FOLDER), minimum_size=1000))
