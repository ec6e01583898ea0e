"""Every error as `application/problem+json` (RFC 9457), by one handler."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from service.api.validation_errors import invalid_fields
from service.errors import EngineFailedError, InvalidFieldsError, ServiceError
from service.schemas import FieldProblem, Problem
from service.telemetry import HTTP_METHODS, current_request_id, note_problem

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


def install_error_handler(app: FastAPI) -> None:
    """Respond to the errors of the service, FastAPI and Starlette with problems."""
    for kind in (ServiceError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, exc: Exception) -> Response:
    response = problem_response(exc)
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_allowed_methods(request))
    return response


def _allowed_methods(request: Request) -> list[str]:
    """The methods of all routes of the path; Starlette lists those of the first alone."""
    scope = {key: request.scope[key] for key in ("type", "path", "root_path", "headers")}
    return [
        method
        for method in HTTP_METHODS
        if any(
            route.matches({**scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]


def problem_response(exc: Exception) -> Response:
    """The response to an exception; an unexpected one becomes a 500 without details."""
    problem, headers = _describe(exc)
    note_problem(problem.code)
    told = isinstance(exc, EngineFailedError)  # by the probe, which says why
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR and not told:
        _log.error("request failed", exc_info=exc, extra={"code": problem.code})
    elif problem.status > HTTPStatus.INTERNAL_SERVER_ERROR:
        # Busy, loading or late: expected under load, and a traceback would not help.
        _log.warning("request refused", extra={"code": problem.code})
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=problem.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def _describe(exc: Exception) -> tuple[Problem, dict[str, str]]:
    if isinstance(exc, RequestValidationError):
        exc = invalid_fields(exc.errors())
    if isinstance(exc, HTTPException):
        return _http_problem(exc), dict(exc.headers or {})
    if not isinstance(exc, ServiceError):
        exc = ServiceError()
    problems = exc.problems if isinstance(exc, InvalidFieldsError) else ()
    problem = Problem(
        type=f"urn:fss:problem:{exc.code}",
        title=exc.title,
        status=exc.status,
        detail=exc.detail,
        code=exc.code,
        location=exc.location,
        errors=[FieldProblem(location=location, message=message) for location, message in problems]
        or None,
        request_id=current_request_id(),
    )
    return problem, dict(exc.headers)


def _http_problem(exc: HTTPException) -> Problem:
    """Of errors of the router: unknown path, method not allowed."""
    status = HTTPStatus(exc.status_code)
    code = status.name.lower()
    return Problem(
        type=f"urn:fss:problem:{code}",
        title=status.phrase,
        status=status,
        detail=status.description or status.phrase,
        code=code,
        request_id=current_request_id(),
    )
