"""From a request to a use case and back."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import creation
from shared.domain.audit import Action
from shared.domain.caller import Permission
from shared.domain.creation import NewConnection
from shared.domain.credential import Method
from shared.domain.errors import Conflict, NotFound
from shared.domain.model import Record
from shared.settings import SettingsError
from shared.web.answers import ConnectionAnswer
from shared.web.application import Application
from shared.web.bodies import CreateBody
from shared.web.endpoint import ACTIONS, MAX_BODY_BYTES, Call, Endpoints
from shared.web.operation import Operation
from shared.web.queries import ListQuery, ScopeQuery
from tests.fakes.application import fake_application
from tests.fakes.clock import START
from tests.unit.web.requests import TRACE, Out, TrustingAuth, answer, authorised, context, request

READ, CREATE = Permission.READ.value, Permission.CREATE.value
CONNECTION_ID = "0f1e2d3c-0000-4000-8000-000000000000"
PROJECT = "0F1E2D3C-0000-4000-8000-00000000000A"
CREATE_BODY = {"name": "payments", "method": "oauth", "credentials": {"code": "a-code"}}
NOT_JSON = "The body is not well-formed JSON"
ROW = creation.reserved(
    NewConnection(name="payments", method=Method.OAUTH),
    org_id="an-org", connection_id="a-connection", project=None, salt="0" * 32, now=START,
).having(revision=7)  # fmt: skip


class Shown(Record):
    """Who asked for what."""

    org: str
    id: str
    limit: int


class Told(Record):
    """A text and one that may be missing."""

    some_name: str
    some_other: str | None = None


def endpoints() -> Endpoints:
    application = fake_application(auth=TrustingAuth()).app
    return Endpoints(lambda: application)


@endpoints().endpoint(Permission.READ)
async def read(call: Call, query: ListQuery) -> Shown:
    """Shows who asks for what."""
    return Shown(org=call.caller.org_id, id=call.path_id("id"), limit=query.limit)


@endpoints().endpoint(Permission.READ)
async def read_by_name(call: Call) -> Told:
    """Shows the name that was asked for."""
    return Told(some_name=call.path_name("name"))


@endpoints().endpoint(Permission.CREATE, Conflict)
async def create(call: Call, body: CreateBody, query: ScopeQuery) -> Told:
    """Shows the name that was sent."""
    return Told(some_name=body.name, some_other=query.project_id)


@endpoints().endpoint(Permission.READ)
async def who(call: Call) -> Told:
    """Shows where the caller comes from, and under which id."""
    return Told(some_name=str(call.origin.actor.address), some_other=call.origin.request_id)


@endpoints().endpoint(Permission.READ)
async def show(call: Call) -> ConnectionAnswer:
    """Shows a connection."""
    return call.shown(ROW)


@endpoints().endpoint(Permission.READ)
async def broken(call: Call) -> Told:
    """Has a defect."""
    raise RuntimeError("the password is hunter2")


@endpoints().endpoint_with_work(Permission.ROTATE)
async def rotate(call: Call) -> Told:
    """Asks for work, unless there is nothing."""
    if "idle" not in call.request.params:
        call.look_at(ROW)
    if "missing" in call.request.params:
        raise NotFound("nothing")
    return Told(some_name="ok")


async def posted(body: bytes, **rest: Any) -> func.HttpResponse:
    return await create(authorised(CREATE, body=body, **rest), context())


async def test_an_authorised_call_is_answered_in_json_with_its_id() -> None:
    response = await read(authorised(READ, path={"id": CONNECTION_ID.upper()}), context())
    assert response.status_code == 200
    assert answer(response) == {"org": "c0000000-0000-4000-8000-000000000001", "id": CONNECTION_ID, "limit": 1000}
    assert response.mimetype == "application/json"
    assert response.headers["x-request-id"] == TRACE
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_answer_has_every_key_and_in_camel_case() -> None:
    response = await posted(json.dumps(CREATE_BODY).encode())
    assert answer(response) == {"someName": "payments", "someOther": None}


async def test_a_connection_is_shown_with_the_etag_of_its_revision() -> None:
    response = await show(authorised(READ), context())
    assert response.headers["ETag"] == '"7"'
    assert answer(response)["appConnection"]["name"] == "payments"


async def test_the_audit_log_will_know_where_a_request_came_from_and_its_id() -> None:
    headers = {"X-Forwarded-For": "203.0.113.9, 192.0.2.1:50123"}
    response = await who(authorised(READ, headers=headers), context())
    assert answer(response) == {"someName": "192.0.2.1", "someOther": TRACE}


async def test_a_trace_that_the_caller_claims_in_a_header_is_not_the_hosts() -> None:
    headers = {"traceparent": f"00-{'f' * 32}-{'1' * 16}-01"}
    assert (await who(authorised(READ, headers=headers), context())).headers["x-request-id"] == TRACE


async def test_without_a_token_it_is_401_with_a_challenge() -> None:
    response = await read(request(), context())
    assert (response.status_code, answer(response)["error"]) == (401, "UnauthorizedError")
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert answer(response)["reqId"] == TRACE


async def test_without_the_role_it_is_403_whatever_else_is_wrong() -> None:
    response = await create(authorised(READ, body=b"not json", params={"projectId": "!"}), context())
    assert response.status_code == 403
    assert answer(response)["message"] == "You are not allowed to create on app-connections"
    assert answer(response)["details"] == {"requiredRole": "AppConnections.Create"}


@pytest.mark.parametrize("path", [{}, {"id": ""}, {"id": "5"}, {"id": "../x"}, {"id": "{" + CONNECTION_ID + "}"}])
async def test_an_id_that_is_no_guid_is_422(path: dict[str, str]) -> None:
    response = await read(authorised(READ, path=path), context())
    assert response.status_code == 422
    assert answer(response)["message"] == [{"code": "invalid_string", "path": ["id"], "message": "Invalid uuid"}]


@pytest.mark.parametrize("name", ["a", "payments-2", "a" * 64])
async def test_a_name_in_the_path_is_taken_as_it_is(name: str) -> None:
    assert answer(await read_by_name(authorised(READ, path={"name": name}), context()))["someName"] == name


@pytest.mark.parametrize("name", ["", "A", "a_b", "a" * 65, "-a", "../x", "a!b", "ä", "a\n", "null "])
async def test_a_path_that_holds_no_name_is_422(name: str) -> None:
    response = await read_by_name(authorised(READ, path={"name": name}), context())
    assert response.status_code == 422
    assert [(problem["code"], problem["path"]) for problem in answer(response)["message"]] == [
        ("invalid_string", ["name"])
    ]


async def test_a_query_out_of_bounds_is_422() -> None:
    response = await read(authorised(READ, path={"id": CONNECTION_ID}, params={"limit": "1001"}), context())
    assert [problem["path"] for problem in answer(response)["message"]] == [["limit"]]


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
async def test_a_json_body_is_read(content_type: str) -> None:
    response = await posted(json.dumps(CREATE_BODY).encode(), content_type=content_type, params={"projectId": PROJECT})
    assert (response.status_code, answer(response)) == (200, {"someName": "payments", "someOther": PROJECT.lower()})


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_a_body_that_is_not_declared_as_json_is_415(content_type: str) -> None:
    assert (await posted(json.dumps(CREATE_BODY).encode(), content_type=content_type)).status_code == 415


async def test_64_kib_pass_and_a_byte_more_is_413() -> None:
    body = json.dumps(CREATE_BODY).encode()
    assert (await posted(body + b" " * (MAX_BODY_BYTES - len(body)))).status_code == 200
    assert (await posted(body + b" " * (MAX_BODY_BYTES - len(body) + 1))).status_code == 413
    assert (await posted(b"[" * 65 * 1024)).status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"{", b"{'a': 1}", b"NaN", b'{"name": NaN}', b"-Infinity", b'{"name": "\\ud800"}', b"\xff\xfe", b"[" * 60_000,
     b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b"1" * 60_000, b'{"a": 1} x', b"\xef\xbb\xbf{}", b'{"a": "\x00"}'],
)  # fmt: skip
async def test_malformed_json_is_400(body: bytes) -> None:
    response = await posted(body)
    assert (response.status_code, answer(response)["message"]) == (400, NOT_JSON)


@pytest.mark.parametrize("body", [b"", b"  \r\n\t"])
async def test_an_empty_body_is_400_and_told_so(body: bytes) -> None:
    response = await posted(body)
    assert (response.status_code, answer(response)["message"]) == (400, "The body is empty; it must be a JSON object")


@pytest.mark.parametrize(
    "changes", [b'"gatewayId": 1e999', b'"rotation": {"rotationInterval": ' + b"9" * 4000 + b"}", b'"name": "\\u0000"']
)
async def test_odd_values_are_422(changes: bytes) -> None:
    assert (await posted(json.dumps(CREATE_BODY)[:-1].encode() + b", " + changes + b"}")).status_code == 422


async def test_of_two_equal_keys_the_last_one_counts() -> None:
    response = await posted(json.dumps(CREATE_BODY)[:-1].encode() + b', "name": "other"}')
    assert answer(response)["someName"] == "other"


@given(body=st.binary(max_size=200))
async def test_no_bytes_make_a_defect(body: bytes) -> None:
    assert (await posted(body)).status_code in (400, 422)


async def test_a_defect_is_500_without_a_word_of_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = await broken(authorised(READ), context())
    assert answer(response)["message"] == "Something went wrong"
    assert (response.status_code, answer(response)["reqId"]) == (500, TRACE)
    assert b"hunter2" not in response.get_body()
    assert b"Traceback" not in response.get_body()
    assert f"request.defect function=broken requestId={TRACE}" in caplog.text


async def test_unusable_settings_are_500_and_named_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    def application() -> Application:
        raise SettingsError("These settings need attention: VAULT_URL: Field required")

    async def use(call: Call) -> Told:
        return Told(some_name="unreachable")

    response = await Endpoints(application).endpoint(Permission.READ)(use)(authorised(READ), context())
    assert response.status_code == 500
    assert b"VAULT_URL" not in response.get_body()
    assert "VAULT_URL" in caplog.text


async def test_work_travels_by_queue_once_the_answer_is_known() -> None:
    out = Out()
    response = await rotate(authorised(Permission.ROTATE.value), context(), out)
    assert response.status_code == 200
    assert [json.loads(message) for message in out.sent] == [{"orgId": "an-org", "connectionId": "a-connection"}]


@pytest.mark.parametrize(("params", "status"), [({"missing": "1"}, 404), ({"idle": "1"}, 200)])
async def test_what_fails_or_owes_nothing_sends_no_work(params: dict[str, str], status: int) -> None:
    out = Out()
    response = await rotate(authorised(Permission.ROTATE.value, params=params), context(), out)
    assert (response.status_code, out.sent) == (status, [])


@pytest.mark.parametrize(("function", "parameters"), [(read, ["req", "context"]), (rotate, ["req", "context", "work"])])
def test_the_worker_sees_name_docstring_and_exactly_the_bindings(
    function: Callable[..., Any], parameters: list[str]
) -> None:
    assert function.__name__ in ("read", "rotate")
    assert function.__doc__
    assert list(inspect.signature(function).parameters) == parameters


def test_an_endpoint_declares_what_it_takes_gives_and_can_fail_with() -> None:
    operation = getattr(create, "operation", None)
    assert isinstance(operation, Operation)
    assert (operation.name, operation.summary) == ("create", "Shows the name that was sent.")
    assert (operation.permission, operation.fails) == (Permission.CREATE, (Conflict,))
    assert (operation.body, operation.query, operation.answer) == (CreateBody, ScopeQuery, Told)


def test_an_endpoint_that_takes_nothing_declares_nothing() -> None:
    operation = getattr(show, "operation", None)
    assert isinstance(operation, Operation)
    assert (operation.body, operation.query) == (None, None)


def test_every_permission_has_its_name_in_the_audit_log() -> None:
    assert set(ACTIONS) == set(Permission)
    assert len(set(ACTIONS.values())) == len(Permission)
    assert set(ACTIONS.values()) <= set(Action)
