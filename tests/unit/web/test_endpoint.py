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

from shared.domain.caller import Permission
from shared.domain.errors import NotFound
from shared.settings import SettingsError
from shared.web.application import Application
from shared.web.endpoint import MAX_BODY_BYTES, Answer, Call, Endpoints, request_id_of
from shared.web.models import CreateOAuthBody, ListQuery
from tests.fakes.application import fake_application
from tests.unit.domain.rows import active
from tests.unit.web.requests import TrustingAuth, answer, authorised, request

READ, CREATE = Permission.READ.value, Permission.CREATE.value
CONNECTION_ID = "0f1e2d3c-0000-4000-8000-000000000000"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CREATE_BODY = {"name": "payments", "method": "oauth", "credentials": {"code": "a-code"}}


def endpoints() -> Endpoints:
    application = fake_application(auth=TrustingAuth()).app
    return Endpoints(lambda: application)


@endpoints().endpoint(Permission.READ)
async def read(call: Call) -> Answer:
    """Shows who asks for what."""
    return {"org": call.caller.org_id, "id": call.path_id("id"), "limit": call.query(ListQuery).limit}


@endpoints().endpoint(Permission.CREATE)
async def create(call: Call) -> Answer:
    """Shows the name that was sent."""
    return {"name": call.body(CreateOAuthBody).name}


@endpoints().endpoint(Permission.READ)
async def broken(call: Call) -> Answer:
    """Has a defect."""
    raise RuntimeError("the password is hunter2")


@endpoints().endpoint_with_work(Permission.ROTATE)
async def rotate(call: Call) -> Answer:
    """Asks for work, unless there is nothing."""
    if "missing" in call.request.params:
        raise NotFound("nothing")
    call.look_at(active().connection)
    return {"ok": True}


class Out(func.Out[str]):
    """The queue's output binding."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def set(self, val: str) -> None:
        """See `func.Out`."""
        self.sent.append(val)

    def get(self) -> str:
        """See `func.Out`."""
        return self.sent[-1]


async def posted(body: bytes, **rest: Any) -> func.HttpResponse:
    return await create(authorised(CREATE, body=body, **rest))


async def test_an_authorised_call_is_answered_in_json_with_its_id() -> None:
    response = await read(
        authorised(READ, path={"id": CONNECTION_ID.upper()}, headers={"traceparent": f"00-{TRACE}-{'1' * 16}-01"})
    )
    assert response.status_code == 200
    assert answer(response) == {"org": "c0000000-0000-4000-8000-000000000001", "id": CONNECTION_ID, "limit": 1000}
    assert response.mimetype == "application/json"
    assert response.headers["x-request-id"] == TRACE
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_without_a_token_it_is_401_with_a_challenge() -> None:
    response = await read(request())
    assert (response.status_code, answer(response)["error"]) == (401, "UnauthorizedError")
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_without_the_role_it_is_403_whatever_else_is_wrong() -> None:
    response = await create(authorised(READ, body=b"not json"))
    assert response.status_code == 403
    assert answer(response)["message"] == "You are not allowed to create on app-connections"


@pytest.mark.parametrize("path", [{}, {"id": ""}, {"id": "5"}, {"id": "../x"}, {"id": "{" + CONNECTION_ID + "}"}])
async def test_an_id_that_is_no_guid_is_422(path: dict[str, str]) -> None:
    response = await read(authorised(READ, path=path))
    assert response.status_code == 422
    assert answer(response)["message"] == [{"code": "invalid_string", "path": ["id"], "message": "Invalid uuid"}]


async def test_a_query_out_of_bounds_is_422() -> None:
    response = await read(authorised(READ, path={"id": CONNECTION_ID}, params={"limit": "1001"}))
    assert [problem["path"] for problem in answer(response)["message"]] == [["limit"]]


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
async def test_a_json_body_is_read(content_type: str) -> None:
    response = await posted(json.dumps(CREATE_BODY).encode(), content_type=content_type)
    assert (response.status_code, answer(response)) == (200, {"name": "payments"})


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
    [b"", b"{", b"{'a': 1}", b"NaN", b'{"name": NaN}', b"-Infinity", b'{"name": "\\ud800"}', b"\xff\xfe", b"[" * 60_000,
     b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b"1" * 60_000, b'{"a": 1} x', b"\xef\xbb\xbf{}", b'{"a": "\x00"}'],
)  # fmt: skip
async def test_malformed_json_is_400(body: bytes) -> None:
    response = await posted(body)
    assert (response.status_code, answer(response)["message"]) == (400, "The body is not well-formed JSON")


@pytest.mark.parametrize(
    "changes", [b'"gatewayId": 1e999', b'"rotation": {"rotationInterval": ' + b"9" * 4000 + b"}", b'"name": "\\u0000"']
)
async def test_odd_values_are_422(changes: bytes) -> None:
    assert (await posted(json.dumps(CREATE_BODY)[:-1].encode() + b", " + changes + b"}")).status_code == 422


async def test_of_two_equal_keys_the_last_one_counts() -> None:
    response = await posted(json.dumps(CREATE_BODY)[:-1].encode() + b', "name": "other"}')
    assert answer(response) == {"name": "other"}


@given(body=st.binary(max_size=200))
async def test_no_bytes_make_a_defect(body: bytes) -> None:
    assert (await posted(body)).status_code in (400, 422)


async def test_a_defect_is_500_without_a_word_of_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = await broken(authorised(READ))
    assert answer(response)["message"] == "Something went wrong"
    assert response.status_code == 500
    assert b"hunter2" not in response.get_body()
    assert b"Traceback" not in response.get_body()
    assert "request.defect function=broken" in caplog.text


async def test_unusable_settings_are_500_and_named_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    def application() -> Application:
        raise SettingsError("These settings need attention: VAULT_URL: Field required")

    async def use(call: Call) -> Answer:
        return {}

    response = await Endpoints(application).endpoint(Permission.READ)(use)(authorised(READ))
    assert response.status_code == 500
    assert b"VAULT_URL" not in response.get_body()
    assert "VAULT_URL" in caplog.text


async def test_work_travels_by_queue_once_the_answer_is_known() -> None:
    out = Out()
    response = await rotate(authorised(Permission.ROTATE.value), out)
    assert response.status_code == 200
    assert [json.loads(message) for message in out.sent] == [{"orgId": "an-org", "connectionId": "a-connection"}]


async def test_what_fails_sends_no_work() -> None:
    out = Out()
    assert (await rotate(authorised(Permission.ROTATE.value, params={"missing": "1"}), out)).status_code == 404
    assert out.sent == []


@pytest.mark.parametrize(("function", "parameters"), [(read, ["req"]), (rotate, ["req", "work"])])
def test_the_worker_sees_name_docstring_and_exactly_the_bindings(
    function: Callable[..., Any], parameters: list[str]
) -> None:
    assert function.__name__ in ("read", "rotate")
    assert function.__doc__
    assert list(inspect.signature(function).parameters) == parameters


@pytest.mark.parametrize("header", ["", "garbage", f"00-{TRACE}-1-01", f"01-{TRACE}-{'1' * 16}-01\n", "\u0660" * 55])
def test_a_trace_id_that_is_none_is_replaced_by_a_fresh_one(header: str) -> None:
    found = request_id_of(request(headers={"traceparent": header}))
    assert len(found) == 32
    assert found not in header
