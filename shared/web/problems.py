"""The error envelope: the one place where errors become HTTP."""

from __future__ import annotations

import math
import re
from typing import Any

import azure.functions as func
from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from shared.domain.errors import Problem, ProductError, Unauthorized, UpstreamError, ValidationFailed

STATUS: dict[str, int] = {
    "BadRequest": 400,
    "UnauthorizedError": 401,
    "PermissionDenied": 403,
    "NotFound": 404,
    "Conflict": 409,
    "PayloadTooLarge": 413,
    "UnsupportedMediaType": 415,
    "ValidationFailure": 422,
    "FailedDependency": 424,
    "RateLimitExceeded": 429,
    "InternalServerError": 500,
    "UpstreamError": 502,
    "ServiceUnavailable": 503,
    "GatewayTimeout": 504,
}

SAFE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_CODES = {
    "missing": "invalid_type",
    "string_too_short": "too_small",
    "greater_than_equal": "too_small",
    "string_too_long": "too_big",
    "less_than_equal": "too_big",
    "string_pattern_mismatch": "invalid_string",
    "uuid_parsing": "invalid_string",
    "literal_error": "invalid_literal",
    "enum": "invalid_enum_value",
    "value_error": "custom",
}
"""From pydantic's error types to the codes that clients of the published API know."""

_ENUM_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")


def render(error: ProductError, request_id: str) -> func.HttpResponse:
    """The envelope for `error`."""
    headers = dict(SAFE_HEADERS)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if isinstance(error, UpstreamError) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    message: Any = error.message
    if isinstance(error, ValidationFailed):
        message = [
            {"code": problem.code, "path": list(problem.path), "message": problem.message} for problem in error.problems
        ]
    return envelope(STATUS[error.code], error.code, message, request_id, headers)


def render_defect(request_id: str) -> func.HttpResponse:
    """What a caller sees of our own mistake: nothing but the id to ask about."""
    return envelope(500, "InternalServerError", "Something went wrong", request_id, SAFE_HEADERS)


def envelope(status: int, error: str, message: Any, request_id: str, headers: dict[str, str]) -> func.HttpResponse:
    """`{reqId, statusCode, message, error}`."""
    body = {"reqId": request_id, "statusCode": status, "message": message, "error": error}
    return func.HttpResponse(
        to_json(body), status_code=status, mimetype="application/json", headers={**headers, "x-request-id": request_id}
    )


def from_validation(error: ValidationError) -> ValidationFailed:
    """Every problem at once, in the caller's own field names; never the value that was sent."""
    return ValidationFailed(
        [
            Problem(_CODES.get(found["type"], _fallback(found["type"])), tuple(found["loc"]), _message(found))
            for found in error.errors(include_input=False, include_url=False)
        ]
    )


def _fallback(kind: str) -> str:
    return "invalid_type" if kind.endswith(("_type", "_parsing")) else "custom"


def _message(found: ErrorDetails) -> str:
    """pydantic's text in terms of JSON: it names our classes, and enum members by their repr."""
    if found["type"] == "model_type":
        return "Input should be an object"
    return _ENUM_MEMBER.sub(r"\1", found["msg"].removeprefix("Value error, "))
