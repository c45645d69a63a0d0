"""Errors as HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from pydantic import Field, StrictBool, ValidationError

from shared.domain import errors
from shared.domain.credential import Method
from shared.domain.errors import (
    BadRequest,
    ConcurrentChange,
    Conflict,
    ConnectionBroken,
    DirectoryRefused,
    GrantRefused,
    NameTaken,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    PreconditionFailed,
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
from shared.web.fields import Body
from shared.web.problems import STATUS, from_validation, render, render_defect
from tests.unit.web.requests import answer

EXAMPLES: list[tuple[ProductError, int, str]] = [
    (ValidationFailed([Problem("custom", ("a",), "x")]), 422, "ValidationFailure"),
    (BadRequest("x"), 400, "BadRequest"),
    (DirectoryRefused("x"), 400, "BadRequest"),
    (GrantRefused(Refusal(error="invalid_grant"), "x"), 400, "BadRequest"),
    (Unauthorized("x"), 401, "UnauthorizedError"),
    (PermissionDenied("x", "a-role"), 403, "PermissionDenied"),
    (NotFound("x"), 404, "NotFound"),
    (Conflict("x"), 409, "Conflict"),
    (NameTaken("x"), 409, "Conflict"),
    (ConcurrentChange(), 409, "Conflict"),
    (ConnectionBroken("x", {"state": "needs-reconnect"}), 424, "FailedDependency"),
    (PreconditionFailed("x"), 412, "PreconditionFailed"),
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
    assert set(envelope) - {"details"} == {"reqId", "statusCode", "message", "error"}
    assert response.headers["x-request-id"] == "a-request"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.mimetype == "application/json"


def test_a_failed_validation_lists_every_problem() -> None:
    found = [Problem("too_big", ("rotation", "rotateAtUtc", "hours"), "too late"), Problem("custom", ("c", 0), "odd")]
    assert answer(render(ValidationFailed(found), "r"))["message"] == [
        {"code": "too_big", "path": ["rotation", "rotateAtUtc", "hours"], "message": "too late"},
        {"code": "custom", "path": ["c", 0], "message": "odd"},
    ]


def test_a_bad_request_tells_in_its_details_where_it_is_wrong() -> None:
    found = [Problem("custom", ("credentials", "clientId"), "Invalid uuid")]
    envelope = answer(render(BadRequest("Invalid credential format", found), "r"))
    assert (envelope["statusCode"], envelope["message"]) == (400, "Invalid credential format")
    assert envelope["details"] == [{"code": "custom", "path": ["credentials", "clientId"], "message": "Invalid uuid"}]


@pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (5, "5"), (29.5, "30"), (None, None)])
def test_when_to_come_back_is_told_in_whole_seconds(seconds: float | None, header: str | None) -> None:
    for error in (UpstreamUnavailable("Key Vault", retry_after=seconds), Conflict("x", retry_after=seconds)):
        assert render(error, "r").headers.get("Retry-After") == header


def test_only_a_missing_token_is_challenged() -> None:
    assert render(Unauthorized("x"), "r").headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert "WWW-Authenticate" not in render(PermissionDenied("x", "a-role"), "r").headers


def test_a_defect_shows_nothing_but_the_id_to_ask_about() -> None:
    assert answer(render_defect("a-request")) == {
        "reqId": "a-request",
        "statusCode": 500,
        "message": "Something went wrong",
        "error": "InternalServerError",
    }


class Inner(Body):
    """An object in a body."""

    words: tuple[Annotated[str, Field(max_length=3)], ...] = Field(default=(), max_length=2)


class Outer(Body):
    """One field of each kind that bodies have."""

    text: Annotated[str, Field(min_length=1, max_length=3, pattern=r"^[a-z]*$")] = "a"
    number: Annotated[int, Field(strict=True, ge=1, le=9)] = 1
    flag: StrictBool = False
    one_of: Method = Method.OAUTH
    only: Literal[Method.OAUTH] = Method.OAUTH
    nothing: None = None
    inner: Inner = Inner()
    anything: dict[str, object] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("sent", "code", "path"),
    [
        ({"text": ""}, "too_small", ("text",)),
        ({"text": "abcd"}, "too_big", ("text",)),
        ({"text": "A"}, "invalid_string", ("text",)),
        ({"text": 5}, "invalid_type", ("text",)),
        ({"number": 0}, "too_small", ("number",)),
        ({"number": 10}, "too_big", ("number",)),
        ({"number": "1"}, "invalid_type", ("number",)),
        ({"flag": "yes"}, "invalid_type", ("flag",)),
        ({"oneOf": "x"}, "invalid_enum_value", ("oneOf",)),
        ({"only": "x"}, "invalid_literal", ("only",)),
        ({"inner": 5}, "invalid_type", ("inner",)),
        ({"inner": {"words": ["a", "long"]}}, "too_big", ("inner", "words", 1)),
        ({"inner": {"words": "a"}}, "invalid_type", ("inner", "words")),
        ({"inner": {"words": ["a", "b", "c"]}}, "too_big", ("inner", "words")),
        ({"nothing": 5}, "invalid_type", ("nothing",)),
        ({"anything": []}, "invalid_type", ("anything",)),
        ([], "invalid_type", ()),
    ],
)
def test_a_problem_has_the_code_that_clients_know_and_speaks_of_json_only(
    sent: object, code: str, path: tuple[str | int, ...]
) -> None:
    with pytest.raises(ValidationError) as refused:
        Outer.read(sent, {})
    (problem,) = from_validation(refused.value).problems
    assert (problem.path, problem.code) == (path, code)
    assert not re.search(r"[Tt]uple|[Dd]ict|None|Method|Inner|Outer|<", problem.message)


def test_what_was_validated_by_itself_is_told_under_the_field_that_it_came_from() -> None:
    with pytest.raises(ValidationError) as refused:
        Inner.read({"words": ["long"]}, {})
    assert [each.path for each in from_validation(refused.value, under="inner").problems] == [("inner", "words", 0)]
