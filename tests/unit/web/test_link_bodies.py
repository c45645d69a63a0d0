"""What callers may send to ask for a connect link."""

from __future__ import annotations

from typing import Any

import pytest

from shared.web.bodies import AuthorizeBody
from tests.unit.web.sent import (
    CLIENT,
    CONTEXT,
    TENANT,
    problems,
)


def link(**changes: Any) -> dict[str, Any]:
    return {"name": "payments", "method": "oauth"} | changes


@pytest.mark.parametrize("sent", ["client-secret", "certificate", "federated", "OAuth", None, 1])
def test_a_link_is_for_oauth_only_and_says_so_without_a_word_of_python(sent: object) -> None:
    (problem,) = problems(link(method=sent), AuthorizeBody).values()
    assert (problem.path, problem.message) == (("method",), "Input should be 'oauth'")


@pytest.mark.parametrize("url", [None, "https://portal.example", "https://portal.example/a/b?c=d"])
def test_a_return_url_begins_with_a_configured_origin(url: str | None) -> None:
    assert AuthorizeBody.read(link(returnUrl=url), CONTEXT).return_url == url


@pytest.mark.parametrize(
    "url",
    ["https://portal.example.evil.com/", "https://portal.example@evil.com/", "https://user@portal.example/",
     "http://portal.example/", "//portal.example", "/local", "javascript:alert(1)", "https://portal.example:444/",
     "https://portal.example\\@evil.com", "https://[bad", "https://[bad-address]", "", "https://portal.example/#fragment",
     "https://portal.example/\r\nSet-Cookie: a=b", "https://portal.example/\x0b", "https://por\ntal.example/",
     "https://portal.example/a b", " https://portal.example/", "https://portal.example/ü",
     "https://portal.example/" + "x" * 2048, 5],
)  # fmt: skip
def test_every_other_return_url_is_refused(url: object) -> None:
    found = problems(link(returnUrl=url), AuthorizeBody)
    assert set(found) == {("returnUrl",)}
    assert "bad-address" not in repr(found)


def test_a_connect_link_needs_no_credentials() -> None:
    assert AuthorizeBody.read(link(), {}).credentials.tenant_id is None


def test_a_connect_link_can_name_the_tenant_and_ignores_the_rest_of_the_credentials() -> None:
    sent = link(credentials={"tenantId": TENANT.upper(), "code": 5, "clientId": CLIENT})
    assert AuthorizeBody.read(sent, CONTEXT).credentials.tenant_id == TENANT


@pytest.mark.parametrize("connection", ["prod", "", 5, False])
def test_a_connect_link_for_an_existing_connection_needs_its_id(connection: object) -> None:
    assert set(problems(link(connectionId=connection), AuthorizeBody)) == {("connectionId",)}


def test_a_connect_link_for_an_existing_connection_need_not_describe_a_new_one() -> None:
    body = AuthorizeBody.read({"connectionId": TENANT.upper(), "allowDifferentAccount": True}, CONTEXT)
    assert (body.connection_id, body.allow_different_account, body.return_url) == (TENANT, True, None)
