"""The error envelope: the one place where errors become HTTP."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import azure.functions as func
from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, to_json

from shared.domain.errors import (
    BadRequest,
    Conflict,
    ConnectionBroken,
    PermissionDenied,
    Problem,
    ProductError,
    Unauthorized,
    UpstreamError,
    ValidationFailed,
)
from shared.web.fields import Body

AnyBody = TypeVar("AnyBody", bound=Body)

STATUS: dict[str, int] = {
    "BadRequest": 400,
    "UnauthorizedError": 401,
    "PermissionDenied": 403,
    "NotFound": 404,
    "Conflict": 409,
    "PreconditionFailed": 412,
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
    "too_short": "too_small",
    "too_long": "too_big",
    "none_required": "invalid_type",
    "literal_error": "invalid_literal",
    "enum": "invalid_enum_value",
    "value_error": "custom",
}
"""From pydantic's error types to the codes that clients of the published API know."""

_JSON_WORDS = {
    "model_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "tuple_type": "Input should be an array",
    "list_type": "Input should be an array",
    "none_required": "Input should be null",
}
"""What pydantic says in terms of Python."""

_ENUM_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")


def render(error: ProductError, request_id: str) -> func.HttpResponse:
    """The envelope for `error`."""
    headers = dict(SAFE_HEADERS)
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if isinstance(error, UpstreamError | Conflict) and error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    message: Any = error.message
    details: Any = None
    if isinstance(error, ValidationFailed):
        message = _listed(error.problems)
    elif isinstance(error, BadRequest) and error.problems:
        details = _listed(error.problems)
    elif isinstance(error, ConnectionBroken | PermissionDenied):
        details = error.details
    return envelope(STATUS[error.code], error.code, message, request_id, headers, details=details)


def render_defect(request_id: str) -> func.HttpResponse:
    """What a caller sees of our own mistake: nothing but the id to ask about."""
    return envelope(500, "InternalServerError", "Something went wrong", request_id, SAFE_HEADERS)


def envelope(
    status: int, error: str, message: Any, request_id: str, headers: dict[str, str], *, details: Any = None
) -> func.HttpResponse:
    """`{reqId, statusCode, message, error, details?}`."""
    body = {"reqId": request_id, "statusCode": status, "message": message, "error": error}
    if details is not None:
        body["details"] = details
    return func.HttpResponse(
        to_json(body), status_code=status, mimetype="application/json", headers={**headers, "x-request-id": request_id}
    )


def read(model: type[AnyBody], document: Any, context: dict[str, Any]) -> AnyBody:
    """`document` as `model`. Raises `ValidationFailed` with every problem."""
    try:
        return model.read(document, context)
    except ValidationError as error:
        raise from_validation(error, takes=model.keys()) from None


def from_validation(error: ValidationError, *, under: str | None = None, takes: Sequence[str] = ()) -> ValidationFailed:
    """Every problem at once, in the caller's own field names; never the value that was sent.

    `under` names the field whose value was validated by itself; `takes` are the names that an unknown one may have
    been meant for.
    """
    above = () if under is None else (under,)
    return ValidationFailed(
        [
            Problem(
                _CODES.get(found["type"], _fallback(found["type"])),
                (*above, *_path(found)),
                _message(found, takes),
            )
            for found in error.errors(include_input=False, include_url=False)
        ]
    )


def _path(found: ErrorDetails) -> tuple[str | int, ...]:
    return found["loc"] if found["type"] == "extra_forbidden" else tuple(map(_sent_name, found["loc"]))


def _sent_name(part: str | int) -> str | int:
    """pydantic calls a field that was not sent by its name in the code."""
    return to_camel(part) if isinstance(part, str) and "_" in part else part


def _listed(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [{"code": problem.code, "path": list(problem.path), "message": problem.message} for problem in problems]


def _fallback(kind: str) -> str:
    return "invalid_type" if kind.endswith(("_type", "_parsing")) else "custom"


def _message(found: ErrorDetails, takes: Sequence[str]) -> str:
    """pydantic's text in terms of JSON: it names our classes, and enum members by their repr."""
    if found["type"] == "extra_forbidden":
        return f"Not known here; what can be sent is: {', '.join(takes)}"
    if found["type"] in _JSON_WORDS:
        return _JSON_WORDS[found["type"]]
    text = found["msg"].removeprefix("Value error, ").replace("Tuple should", "List should")
    return _ENUM_MEMBER.sub(r"\1", text)
