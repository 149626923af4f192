"""Errors of the service: one JSON shape for all of them, with a code for programs."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sottovoce.errors import SottovoceError
from sottovoce.results import Problem
from sottovoce.text import one_line

CODES: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed"}
"""Status -> code of the errors that FastAPI raises itself; otherwise the status's phrase."""


class ServiceError(HTTPException):
    """A request, or a message of a stream, that is refused.

    Args:
        status: of HTTP.
        code: one word for programs.
        message: one line for people: what was found, what was expected.
        headers: of the response.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.problem = Problem(code=code, message=message)

    def response(self) -> JSONResponse:
        """The HTTP response, of the shape that `ErrorResponse` describes."""
        content = {"error": self.problem.to_dict()}
        return JSONResponse(content, self.status_code, self.headers)


def too_busy(message: str) -> ServiceError:
    """Make the error for what would be more than the service takes at a time."""
    return ServiceError(429, "too_busy", f"{message}; try again in a second", {"Retry-After": "1"})


def stopping() -> ServiceError:
    """Make the error of a service that is about to stop."""
    return ServiceError(503, "stopping", "the service is about to stop", {"Retry-After": "5"})


def internal_error() -> ServiceError:
    """Make the error for a mistake of the service's own: its log has the traceback."""
    return ServiceError(500, "internal", "the service failed; its log says why")


def service_error(error: Exception) -> ServiceError:
    """The error that a caller gets for an exception.

    The first wrong parameter is named; a mistake of the service's own is shown without details.
    """
    match error:
        case ServiceError():
            return error
        case HTTPException():
            status = error.status_code
            code = CODES.get(status, HTTPStatus(status).phrase.lower().replace(" ", "_"))
            return ServiceError(status, code, one_line(error.detail), error.headers)
        case RequestValidationError():
            problem = error.errors()[0]
            name = ".".join(str(part) for part in problem["loc"][1:]) or "the request"
            message = one_line(problem["msg"]).removeprefix("Value error, ")
            if problem["type"] == "extra_forbidden":
                name = one_line(name)[:40]
                message = "no such option; /openapi.json and the documentation list them"
            return ServiceError(422, "bad_option", f"{name}: {message[:1].lower()}{message[1:]}")
        case SottovoceError():  # from `Options`; other errors of ours are caught where they arise
            return ServiceError(422, "bad_option", one_line(error))
    return internal_error()


def add_error_handlers(app: FastAPI) -> None:
    """Give every error of the app the same shape."""

    async def respond(_: Request, error: Exception) -> JSONResponse:
        return service_error(error).response()

    for kind in (HTTPException, RequestValidationError, SottovoceError, Exception):
        app.add_exception_handler(kind, respond)
