"""Errors as HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.domain import errors
from shared.domain.errors import (
    BadRequest,
    ConcurrentChange,
    Conflict,
    GrantRefused,
    NameTaken,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    Problem,
    ProductError,
    Refusal,
    Unauthorized,
    UnsupportedMediaType,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
    ValidationFailed,
)
from shared.web.problems import STATUS, render, render_defect
from tests.unit.web.requests import answer

EXAMPLES: list[tuple[ProductError, int, str]] = [
    (ValidationFailed([Problem("custom", ("a",), "x")]), 422, "ValidationFailure"),
    (BadRequest("x"), 400, "BadRequest"),
    (GrantRefused(Refusal(error="invalid_grant"), "x"), 400, "BadRequest"),
    (Unauthorized("x"), 401, "UnauthorizedError"),
    (PermissionDenied("x"), 403, "PermissionDenied"),
    (NotFound("x"), 404, "NotFound"),
    (Conflict("x"), 409, "Conflict"),
    (NameTaken("x"), 409, "Conflict"),
    (ConcurrentChange(), 409, "Conflict"),
    (PayloadTooLarge("x"), 413, "PayloadTooLarge"),
    (UnsupportedMediaType("x"), 415, "UnsupportedMediaType"),
    (UpstreamError("Key Vault"), 502, "UpstreamError"),
    (UpstreamUnavailable("Key Vault"), 503, "ServiceUnavailable"),
    (UpstreamTimeout("Key Vault"), 504, "GatewayTimeout"),
]


def tree(root: type[ProductError]) -> Iterator[type[ProductError]]:
    for child in root.__subclasses__():
        yield child
        yield from tree(child)


def test_no_error_grows_without_a_status_and_an_example_here() -> None:
    grown = {kind for kind in tree(ProductError) if kind.__module__ == errors.__name__}
    assert grown == {type(example) for example, _, _ in EXAMPLES}
    assert {kind.code for kind in tree(ProductError)} | {ProductError.code} <= set(STATUS)


@pytest.mark.parametrize(("error", "status", "code"), EXAMPLES)
def test_an_error_becomes_its_envelope(error: ProductError, status: int, code: str) -> None:
    response = render(error, "a-request")
    envelope = answer(response)
    assert response.status_code == envelope["statusCode"] == status
    assert (envelope["error"], envelope["reqId"]) == (code, "a-request")
    assert set(envelope) == {"reqId", "statusCode", "message", "error"}
    assert response.headers["x-request-id"] == "a-request"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.mimetype == "application/json"


def test_a_failed_validation_lists_every_problem() -> None:
    found = [Problem("too_big", ("rotation", "rotateAtUtc", "hours"), "too late"), Problem("custom", ("c", 0), "odd")]
    assert answer(render(ValidationFailed(found), "r"))["message"] == [
        {"code": "too_big", "path": ["rotation", "rotateAtUtc", "hours"], "message": "too late"},
        {"code": "custom", "path": ["c", 0], "message": "odd"},
    ]


@pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (5, "5"), (29.5, "30"), (None, None)])
def test_when_to_come_back_is_told_in_whole_seconds(seconds: float | None, header: str | None) -> None:
    assert render(UpstreamUnavailable("Key Vault", retry_after=seconds), "r").headers.get("Retry-After") == header


def test_only_a_missing_token_is_challenged() -> None:
    assert render(Unauthorized("x"), "r").headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert "WWW-Authenticate" not in render(PermissionDenied("x"), "r").headers


def test_a_defect_shows_nothing_but_the_id_to_ask_about() -> None:
    assert answer(render_defect("a-request")) == {
        "reqId": "a-request",
        "statusCode": 500,
        "message": "Something went wrong",
        "error": "InternalServerError",
    }
