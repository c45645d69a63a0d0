"""The OAuth flow as browsers meet it in Azure: https, a form post across sites, and a `__Host-` cookie."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from local.client import KEY_VAULT, Client
from local.entra.seed import CALLBACK_PATH
from local.stack import Stack
from local.visitor import Visitor
from tests.e2e.browser import Attempt, Link
from tests.e2e.world import Customer, call, create, raw


@pytest.fixture
async def secure(https_stack: Stack, client: Client) -> AsyncIterator[Client]:
    """The same organisation's program, speaking to the host behind https."""
    async with Client(https_stack, client.token) as speaking:
        yield speaking


async def test_who_consents_by_the_link_makes_the_connection_over_https(
    secure: Client, customer: Customer, visitor: Visitor
) -> None:
    link = await Link.new(secure, "prod", credentials={"tenantId": customer.tenant})
    page = await visitor.connect(link.url, account=customer.user)
    assert (page.status, page.url) == (200, secure.stack.api + CALLBACK_PATH)
    assert link.connection_id in page.text
    assert (await link.status(secure))["state"] == "succeeded"
    made = (await call(secure, "GET", f"{KEY_VAULT}/{link.connection_id}")).connection
    assert made["credentials"] == {"tenantId": customer.tenant}


async def test_the_attempt_is_bound_by_a_host_cookie_and_answered_by_form_post(
    secure: Client, customer: Customer
) -> None:
    link = await Link.new(secure, "prod", credentials={"tenantId": customer.tenant})
    attempt = await Attempt.begin(secure, link)
    cookie = attempt.cookie
    assert cookie.key.startswith("__Host-")
    assert (cookie["secure"], cookie["httponly"]) == (True, True)
    assert (cookie["path"], cookie["samesite"], cookie["domain"]) == ("/", "None", "")
    assert attempt.authorize["response_mode"] == "form_post"
    assert attempt.authorize["redirect_uri"] == secure.stack.api + CALLBACK_PATH
    page = await attempt.finish(secure, customer)
    assert page.status == 200
    assert "Max-Age=0" in page.headers["Set-Cookie"]
    assert page.headers["Set-Cookie"].startswith(f"{cookie.key}=;")


async def test_over_https_the_callback_takes_posts_only(secure: Client, customer: Customer) -> None:
    link = await Link.new(secure, "prod", credentials={"tenantId": customer.tenant})
    attempt = await Attempt.begin(secure, link)
    code = await attempt.code(secure, customer)
    cookie = {"Cookie": f"{attempt.cookie.key}={attempt.cookie.value}"}
    query = {"state": attempt.state, "code": code}
    assert (await raw(secure, "GET", CALLBACK_PATH, params=query, headers=cookie)).status == 405
    assert (await link.status(secure))["state"] == "pending"
    assert (await attempt.answer(secure, code=code)).status == 200


async def test_a_missing_cookie_and_a_declined_consent_end_over_https_as_they_do_over_http(
    secure: Client, customer: Customer
) -> None:
    link = await Link.new(secure, "prod", credentials={"tenantId": customer.tenant})
    attempt = await Attempt.begin(secure, link)
    stranger = await attempt.answer(secure, cookie="", code=await attempt.code(secure, customer))
    assert (stranger.status, "begun in another browser" in stranger.text) == (400, True)
    declined = await attempt.answer(secure, error="access_denied")
    assert (declined.status, "The sign-in was declined" in declined.text) == (400, True)
    assert (await (await Attempt.begin(secure, link)).finish(secure, customer)).status == 200


async def test_a_code_is_accepted_over_https_too(secure: Client, customer: Customer) -> None:
    made = (await create(secure, customer)).connection
    assert len(await secure.versions(made["id"])) == 1
