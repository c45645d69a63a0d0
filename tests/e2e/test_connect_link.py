"""A customer's administrator opens a connect link: the ways that end well, over http loopback."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

from local.client import KEY_VAULT, Client
from local.entra.seed import CALLBACK_PATH
from local.visitor import Visitor
from tests.e2e.browser import Attempt, Link
from tests.e2e.world import Customer, call, create, names, raw, refusal

RETURN_URL = "http://127.0.0.1:3000/after?step=2"


async def test_who_consents_by_the_link_makes_the_connection(
    client: Client, customer: Customer, visitor: Visitor
) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.domain}, description="by link")
    assert await link.status(client) | {"expiresAt": ""} == {
        "flowId": link.flow_id,
        "connectionId": link.connection_id,
        "state": "pending",
        "message": None,
        "expiresAt": "",
    }
    refusal(await call(client, "GET", f"{KEY_VAULT}/{link.connection_id}"), 404, "NotFound")
    page = await visitor.connect(link.url, account=customer.user)
    assert (page.status, page.url.partition("?")[0]) == (200, client.stack.api + CALLBACK_PATH)
    assert "Connected" in page.text
    assert link.connection_id in page.text
    assert (await link.status(client))["state"] == "succeeded"
    made = (await call(client, "GET", f"{KEY_VAULT}/{link.connection_id}")).connection
    assert (made["name"], made["description"]) == ("prod", "by link")
    assert made["credentials"] == {"tenantId": customer.tenant}
    assert len(await client.versions(link.connection_id)) == 1


async def test_the_page_says_who_asks_for_what_and_opening_it_changes_nothing(
    client: Client, customer: Customer, visitor: Visitor, org_id: str
) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    pages = [await visitor.open(link.url) for _ in range(3)]
    for told in ("prod", org_id, customer.tenant, "user_impersonation"):
        assert told in pages[0].text
    assert pages[0].html == pages[-1].html
    assert (await link.status(client))["state"] == "pending"
    assert (await visitor.connect(link.url, account=customer.user)).status == 200


async def test_pages_for_browsers_carry_the_headers_that_keep_others_out(client: Client) -> None:
    link = await Link.new(client, "prod")
    page, button = await raw(client, "GET", link.path), await link.press(client)
    assert page.headers["Referrer-Policy"] == "same-origin"  # under `no-referrer` its button would send `Origin: null`
    for reply in (page, button, await raw(client, "GET", CALLBACK_PATH)):
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert reply is page or reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_button_leads_to_entra_with_pkce_a_nonce_and_a_cookie_for_this_attempt(
    client: Client, customer: Customer
) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    reply = await link.press(client)
    assert reply.headers["Location"].startswith(f"{client.stack.entra}/{customer.tenant}/oauth2/v2.0/authorize?")
    first, second = Attempt.of(reply), await Attempt.begin(client, link)
    asked = first.authorize
    assert (asked["code_challenge_method"], asked["response_mode"], asked["prompt"]) == (
        "S256",
        "query",
        "select_account",
    )
    assert asked["redirect_uri"] == client.stack.api + CALLBACK_PATH
    assert "code_verifier" not in reply.headers["Location"]
    assert (first.cookie["samesite"], first.cookie["httponly"], first.cookie["path"]) == ("Lax", True, "/")
    assert not first.cookie["secure"]
    assert len(first.state) >= 22  # 128 bits in base64url
    for name in ("state", "nonce", "code_challenge"):
        assert asked[name] != second.authorize[name]
    assert first.cookie.key != second.cookie.key


async def test_two_tabs_that_both_finish_name_the_same_connection(client: Client, customer: Customer) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    tabs = [await Attempt.begin(client, link), await Attempt.begin(client, link)]
    pages = [await tab.finish(client, customer) for tab in tabs]
    for page in pages:
        assert page.status == 200
        assert link.connection_id in page.text
    assert await names(client) == ["prod"]
    assert len(await client.versions(link.connection_id)) == 1


async def test_two_tabs_at_the_same_moment_make_one_connection(client: Client, customer: Customer) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    tabs = [await Attempt.begin(client, link) for _ in range(4)]
    pages = await asyncio.gather(*(tab.finish(client, customer) for tab in tabs))
    assert 200 in {page.status for page in pages}
    assert (await link.status(client))["state"] == "succeeded"
    assert await names(client) == ["prod"]
    assert len(await client.versions(link.connection_id)) == 1


async def test_a_used_link_shows_what_it_made(client: Client, customer: Customer, visitor: Visitor) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    await visitor.connect(link.url, account=customer.user)
    for page in (await raw(client, "GET", link.path), await link.press(client)):
        assert page.status == 200
        assert link.connection_id in page.text


async def test_a_declined_consent_leaves_the_link_usable(client: Client, customer: Customer, visitor: Visitor) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    page = await visitor.connect(link.url, account=customer.user, decision="cancel")
    assert page.status == 400
    assert "The sign-in was declined" in page.text
    flow = await link.status(client)
    assert (flow["state"], "declined" in flow["message"]) == ("failed", True)
    assert (await visitor.connect(link.url, account=customer.user)).status == 200
    assert (await link.status(client)) | {"expiresAt": ""} == flow | {
        "state": "succeeded",
        "message": None,
        "expiresAt": "",
    }


async def test_an_administrators_consent_without_a_code_asks_for_one_more_round(
    client: Client, visitor: Visitor
) -> None:
    customer = await Customer.new(client, adminConsentOnly=True)
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    page = await visitor.connect(link.url, account=customer.user)
    assert "The administrator's consent is recorded. Open the connect link again" in page.text
    assert link.path in page.html
    await client.entra("POST", "tenants", {"id": customer.tenant, "adminConsentOnly": False})
    assert (await visitor.connect(link.url, account=customer.user)).status == 200


async def test_the_browser_is_sent_back_with_connection_and_outcome(client: Client, customer: Customer) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant}, returnUrl=RETURN_URL)
    declined, accepted = await Attempt.begin(client, link), await Attempt.begin(client, link)
    for reply, outcome in (
        (await declined.answer(client, error="access_denied", error_description="AADSTS65004: declined"), "failed"),
        (await accepted.finish(client, customer), "succeeded"),
    ):
        assert reply.status == 303
        place = urlsplit(reply.headers["Location"])
        assert f"{place.scheme}://{place.netloc}{place.path}" == "http://127.0.0.1:3000/after"
        assert parse_qs(place.query) == {
            "step": ["2"],
            "connectionId": [link.connection_id],
            "outcome": [outcome],
        }


async def test_without_a_tenant_the_account_decides(client: Client, customer: Customer, visitor: Visitor) -> None:
    link = await Link.new(client, "prod")
    assert (await visitor.connect(link.url, account=customer.user)).status == 200
    made = (await call(client, "GET", f"{KEY_VAULT}/{link.connection_id}")).connection
    assert made["credentials"] == {"tenantId": customer.tenant}


async def test_a_name_taken_meanwhile_is_told_on_the_page_and_costs_only_this_try(
    client: Client, customer: Customer, visitor: Visitor
) -> None:
    link = await Link.new(client, "prod", credentials={"tenantId": customer.tenant})
    taker = (await create(client, customer)).connection
    page = await visitor.connect(link.url, account=customer.user)
    assert (page.status, 'An App Connection with the name "prod" already exists' in page.text) == (409, True)
    await call(client, "DELETE", f"{KEY_VAULT}/{taker['id']}")
    assert (await visitor.connect(link.url, account=customer.user)).status == 200
