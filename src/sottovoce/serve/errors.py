"""How the service says no: one shape for every error, with a code for programs."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sottovoce.text import one_line

CODES: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed"}


class Refusal(HTTPException):
    """A request that is not answered.

    Args:
        status: of HTTP.
        code: one word for programs.
        message: one line for people: what was found, what was expected.
        headers: of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.code = code

    def to_dict(self) -> dict[str, Any]:
        """What the caller is told."""
        return {"error": {"code": self.code, "message": self.detail}}


def too_busy(message: str) -> Refusal:
    """Make the refusal of what would be one too many."""
    return Refusal(429, "too_busy", f"{message}; try again in a second", {"Retry-After": "1"})


def stopping() -> Refusal:
    """Make the refusal of a service that is about to stop."""
    return Refusal(503, "stopping", "the service is about to stop", {"Retry-After": "5"})


def failed_within() -> Refusal:
    """Make the refusal for a mistake of the service's own: its log has the traceback."""
    return Refusal(500, "internal", "the service failed; its log says why")


def answer_errors(app: FastAPI) -> None:
    """Give every error of the app the same shape."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _internal)


async def _http(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, Refusal):
        return JSONResponse(error.to_dict(), error.status_code, error.headers)
    if not isinstance(error, HTTPException):
        raise error
    status = error.status_code
    code = CODES.get(status, HTTPStatus(status).phrase.lower().replace(" ", "_"))
    refusal = Refusal(status, code, one_line(error.detail), error.headers)
    return JSONResponse(refusal.to_dict(), status, refusal.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Name the first parameter that is wrong, and not what was given: it may be anything."""
    if not isinstance(error, RequestValidationError):
        raise error
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"][1:]) or "the request"
    said = one_line(problem["msg"])
    refusal = Refusal(422, "bad_option", f"{place}: {said[:1].lower()}{said[1:]}")
    return JSONResponse(refusal.to_dict(), 422)


async def _internal(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse(failed_within().to_dict(), 500)
