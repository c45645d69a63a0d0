"""A customer's administrator opens a connect link in a real browser, with the keyboard only."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from aiohttp import web
from playwright.async_api import Locator, expect

from local.client import KEY_VAULT, Client
from local.entra.seed import CALLBACK_PATH
from local.ports import ADDRESS
from local.stack import Stack
from tests.browser.person import Person
from tests.e2e.browser import Link
from tests.e2e.stacks import PROGRAM
from tests.e2e.storage import end_flow, garble_link
from tests.e2e.world import Customer, call, create

pytestmark = pytest.mark.asyncio(loop_scope="session")

USER = "Uma"


async def new_link(client: Client, customer: Customer, name: str = "payments-prod") -> Link:
    return await Link.new(client, name, credentials={"tenantId": customer.tenant})


def button(person: Person) -> Locator:
    return person.page.get_by_role("button", name="Continue to Microsoft sign-in")


def again(person: Person) -> Locator:
    return person.page.get_by_role("link", name="Open the connect link again")


async def sign_in(person: Person, link: Link) -> None:
    """From the link to the sign-in page."""
    await person.open(link.url)
    await person.go(button(person))


async def not_connected(person: Person, client: Client, link: Link, *texts: str) -> None:
    """The page says why, and nothing came of it."""
    await person.reads("Not connected", *texts)
    assert (await link.status(client))["state"] != "succeeded"
    assert not await client.versions(link.connection_id)


async def connects_now(person: Person, client: Client, link: Link) -> None:
    """The page's way back leads to the link, and this time it works."""
    await person.go(again(person))
    assert person.page.url == link.url
    await person.go(button(person))
    await person.consent(USER)
    await person.reads("Connected", link.connection_id)
    assert (await link.status(client))["state"] == "succeeded"


async def test_who_consents_is_connected(person: Person, client: Client, customer: Customer) -> None:
    link = await new_link(client, customer)
    await person.open(link.url)
    await person.reads("payments-prod", "Olga Operator", customer.tenant)
    await person.looks("connect")
    await person.go(button(person))
    assert person.page.url.startswith(client.stack.entra)
    await person.looks("sign-in")
    await person.consent(USER)
    await person.reads("Connected", link.connection_id)
    await person.looks("connected")
    assert (await link.status(client))["state"] == "succeeded"
    made = await call(client, "GET", f"{KEY_VAULT}/{link.connection_id}")
    assert made.connection["credentials"] == {"tenantId": customer.tenant}
    await person.open(link.url)
    await person.reads("Connected", link.connection_id)


async def test_the_attempt_s_cookie_is_bound_to_the_host_and_gone_after(
    person: Person, client: Client, customer: Customer
) -> None:
    await sign_in(person, await new_link(client, customer))
    (cookie,) = await person.page.context.cookies(client.stack.api)
    secure = client.stack.api.startswith("https://")
    assert (cookie["name"].startswith("__Host-"), cookie["secure"]) == (secure, secure)
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "None" if secure else "Lax")
    await person.consent(USER)
    assert await person.page.context.cookies(client.stack.api) == []


async def test_who_declines_reads_so_and_can_think_again(person: Person, client: Client, customer: Customer) -> None:
    link = await new_link(client, customer)
    await sign_in(person, link)
    await person.consent(USER, decision="Cancel", status=400)
    await not_connected(person, client, link, "The sign-in was declined")
    await person.looks("declined")
    await connects_now(person, client, link)


async def test_another_browser_cannot_finish_what_this_one_began(
    person: Person, client: Client, customer: Customer
) -> None:
    link = await new_link(client, customer)
    await sign_in(person, link)
    await person.page.context.clear_cookies()
    await person.consent(USER, status=400)
    await not_connected(person, client, link, "This sign-in was begun in another browser")
    await person.looks("another-browser")


async def test_a_consent_for_all_needs_one_more_step(person: Person, client: Client) -> None:
    customer = await Customer.new(client, adminConsentOnly=True)
    link = await new_link(client, customer)
    await sign_in(person, link)
    await person.consent(USER, status=400)
    await not_connected(person, client, link, "The administrator's consent is recorded")
    await person.looks("admin-consent")


async def test_an_attempt_that_took_too_long_can_be_made_again(
    person: Person, client: Client, customer: Customer
) -> None:
    link = await new_link(client, customer)
    await sign_in(person, link)
    await end_flow(client.stack.storage, link.flow_id, "link")
    await person.consent(USER, status=400)
    await not_connected(person, client, link, "The sign-in took too long")
    await person.looks("too-late")


async def test_a_name_taken_meanwhile_is_told(person: Person, client: Client, customer: Customer) -> None:
    link = await new_link(client, customer)
    await sign_in(person, link)
    taker = (await create(client, customer, "payments-prod", credentials=await by_code(client, customer))).connection
    await person.consent(USER, status=409)
    await not_connected(person, client, link, 'An App Connection with the name "payments-prod" already exists')
    await person.looks("name-taken")
    assert (await call(client, "DELETE", f"{KEY_VAULT}/{taker['id']}")).status == 200
    await connects_now(person, client, link)


async def by_code(client: Client, customer: Customer) -> dict[str, str]:
    """Another person's grant to the same tenant."""
    return {"code": await customer.code(client), "tenantId": customer.tenant}


async def test_an_outage_at_microsoft_s_is_told_and_passes(person: Person, client: Client, customer: Customer) -> None:
    link = await new_link(client, customer)
    await sign_in(person, link)
    await client.entra("POST", "faults", {"match": customer.token_endpoint, "status": 503, "times": 20})
    await person.consent(USER, status=503)
    await not_connected(person, client, link)
    await person.looks("outage")
    await client.entra("DELETE", "faults")
    await connects_now(person, client, link)


async def test_a_link_that_reconnects_takes_the_same_account_only(person: Person, client: Client) -> None:
    customer = await Customer.new(client)
    uma = {"id": customer.user, "displayName": USER, "userPrincipalName": f"uma@{customer.domain}"}
    ina = {"id": str(uuid4()), "displayName": "Ina Deputy", "userPrincipalName": f"ina@{customer.domain}"}
    await client.entra("POST", "tenants", {"id": customer.tenant, "users": [uma, ina]})
    body = {"credentials": await by_code(client, customer)}
    made = (await create(client, customer, "payments-prod", **body)).connection
    link = await Link.new(client, "payments-prod", connectionId=made["id"])
    await person.open(link.url)
    await person.reads("Reconnect an Azure Key Vault", "payments-prod", "the one that the connection was made with")
    await person.looks("reconnect")
    await person.go(button(person))
    await person.consent("Ina Deputy", status=400)
    await person.reads("Not connected yet", "Another account signed in")
    await person.looks("another-account")
    assert len(await client.versions(made["id"])) == 1, "the grant in use stays the only one"
    await connects_now(person, client, link)


async def test_a_link_to_a_connection_that_is_gone_says_so(person: Person, client: Client, customer: Customer) -> None:
    body = {"credentials": await by_code(client, customer)}
    made = (await create(client, customer, "payments-prod", **body)).connection
    link = await Link.new(client, "payments-prod", connectionId=made["id"])
    await sign_in(person, link)
    assert (await call(client, "DELETE", f"{KEY_VAULT}/{made['id']}")).status == 200
    await person.consent(USER, status=404)
    await person.reads("Not connected", "Could not find App Connection", "You can close this page.")
    await expect(again(person)).to_have_count(0)
    await person.looks("connection-gone")


async def test_a_defect_of_ours_is_a_page_with_the_id_that_the_log_has(
    person: Person, client: Client, customer: Customer
) -> None:
    link = await new_link(client, customer)
    await garble_link(client.stack.storage, link.flow_id)
    await person.open(link.url, status=500)
    await person.reads(
        "Not connected", "Something went wrong on our side. Try again; if it stays so, tell the operators: "
    )
    shown = re.search(r"operators: ([0-9a-f]{32})\b", await person.page.locator("main").inner_text())
    assert shown
    assert "Traceback" not in await person.page.content()
    await person.looks("defect")


async def test_who_is_done_is_sent_back_to_the_program_that_asked(
    person: Person, client: Client, customer: Customer, stack: Stack
) -> None:
    async with program(stack.ports.api + PROGRAM) as (place, asked):
        person.may_meet(place)
        returning = {"credentials": {"tenantId": customer.tenant}, "returnUrl": f"{place}/after?step=2"}
        link = await Link.new(client, "payments-prod", **returning)
        for decision, outcome in (("Cancel", "failed"), ("Accept", "succeeded")):
            await sign_in(person, link)
            await person.consent(USER, decision=decision, ends=re.compile(re.escape(f"{place}/after?")))
            await person.reads("Welcome back")
            query = parse_qs(urlsplit(person.page.url).query)
            assert query == {"step": ["2"], "connectionId": [link.connection_id], "outcome": [outcome]}
            assert (await link.status(client))["state"] == outcome
            assert await person.page.context.cookies(client.stack.api) == [], "the attempt's cookie is spent"
    assert [method for method, _ in asked] == ["GET", "GET"]
    assert [name for _, names in asked for name in names if name in ("referer", "cookie")] == []


@asynccontextmanager
async def program(port: int) -> AsyncIterator[tuple[str, list[tuple[str, set[str]]]]]:
    """A program of the customer's: its origin, and the method and header names of each request to its page."""
    asked: list[tuple[str, set[str]]] = []

    async def after(request: web.Request) -> web.Response:
        asked.append((request.method, {name.lower() for name in request.headers}))
        text = '<!doctype html><title>A program</title><link rel="icon" href="data:,"><main>Welcome back</main>'
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/after", after)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, ADDRESS, port).start()
        yield f"http://{ADDRESS}:{port}", asked
    finally:
        await runner.cleanup()


async def test_an_expired_link_says_so(person: Person, client: Client, customer: Customer) -> None:
    link = await new_link(client, customer)
    await end_flow(client.stack.storage, link.flow_id, "link")
    await person.open(link.url, status=410)
    await not_connected(person, client, link, "This connect link has expired")
    await person.looks("expired")


async def test_an_unknown_link_says_so(person: Person, client: Client) -> None:
    await person.open(f"{client.stack.api}{KEY_VAULT}/oauth/connect/{secrets.token_urlsafe(32)}", status=404)
    await person.reads("Not connected", "This connect link is not known")
    await person.looks("unknown-link")


async def test_a_made_up_answer_of_the_sign_in_is_refused(person: Person, client: Client) -> None:
    """Over https a query is no answer at all; over http the state is not known."""
    status = 405 if client.stack.api.startswith("https://") else 400
    await person.open(f"{client.stack.api}{CALLBACK_PATH}?state=made-up&code=made-up", status=status)
    await person.reads(
        "Not connected", "Microsoft's sign-in only" if status == 405 else "not known or was used already"
    )
    await person.looks("not-the-sign-in" if status == 405 else "unknown-sign-in")


async def test_a_foreign_page_cannot_press_the_button(person: Person, client: Client, customer: Customer) -> None:
    link = await new_link(client, customer)
    await person.page.set_content(f'<form method="post" action="{link.url}"><button>Win a prize</button></form>')
    await person.go(person.page.get_by_role("button", name="Win a prize"), status=403)
    await not_connected(person, client, link, "did not come from the connect page")
    await person.looks("foreign-page")
