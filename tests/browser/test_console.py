"""An operator at the console, in a real browser and with the keyboard only."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Route, expect

from local.client import KEY_VAULT, Client
from local.entra import seed
from tests.browser.person import Person
from tests.e2e.apps import App, create_app
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, refusal, token_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "<img src=x onerror=\"document.title='stolen'\">"
NOTHING_KEPT = "localStorage.length + sessionStorage.length + document.cookie.length"
MONTHLY = {"isAutoRotationEnabled": True, "rotation": DAILY_AT_THREE}
LIST = re.compile(rf"{KEY_VAULT}\?")
REVOKED, ACCOUNT_DISABLED, APP_DISABLED = 50173, 50057, 7000112
"""AADSTS numbers. The last one is no word on the grant: the connection is degraded and stays in use."""


@pytest.fixture
def way() -> str:
    """The console speaks no OAuth: one way shows all there is."""
    return "http"


async def sign_in(person: Person, client: Client, token: str | None = None) -> None:
    await person.open(f"{client.stack.api}/api/console")
    field = person.page.get_by_label("Bearer token")
    await expect(field).to_be_focused()
    await person.page.keyboard.insert_text(token or client.token)  # as pasting does
    await person.page.keyboard.press("Enter")


def card(person: Person, name: str) -> Locator:
    return person.page.get_by_role("article", name=name, exact=True)


def group(person: Person, title: str) -> Locator:
    return person.page.get_by_role("region", name=title, exact=True)


async def answers(person: Person, url: str | re.Pattern[str], body: Any) -> None:
    """Let the service answer what it never would."""

    async def fulfil(route: Route) -> None:
        await route.fulfill(content_type="application/json", body=json.dumps(body))

    await person.page.route(url, fulfil)


async def refused(client: Client, customer: Customer, name: str, number: int, state: str, **body: Any) -> str:
    """A connection whose grant Entra refuses with this AADSTS number, and whose use has shown so; the reason's text."""
    made = (await create(client, customer, name, **body)).connection
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": number})
    used = await call(client, "POST", f"{KEY_VAULT}/{made['id']}/access-token")
    message = refusal(used, 424, "FailedDependency")
    assert used.json["details"]["state"] == state
    return str(message)


async def mended(client: Client, customer: Customer) -> None:
    """Entra takes the customer's sign-ins again."""
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": None})


async def visit(person: Person, client: Client, url: str, account: str = "Uma") -> None:
    """Somebody opens a link in a tab of their own and signs in; ends at the console again."""
    visitor = Person(await person.page.context.new_page(), allowed=(client.stack.api, client.stack.entra))
    await visitor.open(url)
    await visitor.go(visitor.page.get_by_role("button"))
    await visitor.consent(account)
    visitor.saw_nothing_odd()
    await visitor.page.close()
    await person.page.bring_to_front()


async def test_connections_are_shown_by_state_with_reason_and_remedy(
    person: Person, client: Client, customer: Customer
) -> None:
    await create(client, customer, "payments-prod", description="Card payments", **MONTHLY)
    ailing, broken = await Customer.new(client), await Customer.new(client)
    await refused(client, ailing, "reporting", APP_DISABLED, "degraded", description="Nightly reports", **MONTHLY)
    reason = await refused(client, broken, "billing", REVOKED, "needs-reconnect", **MONTHLY)
    await person.open(f"{client.stack.api}/api/console")
    await person.looks("console-sign-in")
    await sign_in(person, client)
    await expect(person.page.get_by_role("status")).to_have_text("3 connections shown.")
    await expect(person.page.get_by_role("list").first.get_by_role("listitem")).to_have_text(
        ["Needs reconnecting: 1", "Degraded: 1", "Active: 1"]
    )
    needing = group(person, "Needs reconnecting").get_by_role("article", name="billing")
    told = re.fullmatch(r"(.+?\.) (.+\.) Correlation id: (.+)\.", reason)
    assert told is not None, reason
    what, remedy, correlation = told.groups()
    await expect(needing).to_contain_text(f"Reason{what}Remedy{remedy}Correlation id{correlation}")
    await expect(needing.get_by_role("button", name="Reconnect billing")).to_be_visible()
    ailing_card = group(person, "Degraded").get_by_role("article", name="reporting")
    await expect(ailing_card).to_contain_text("RemedyAsk an administrator to enable the enterprise application.")
    healthy = group(person, "Active").get_by_role("article", name="payments-prod")
    await expect(healthy).to_contain_text("Card payments")
    await expect(healthy.get_by_role("definition").first).to_contain_text("UTC")
    await person.reads("Olga Operator")
    await person.looks("console")


async def test_the_token_is_kept_in_memory_only(person: Person, client: Client) -> None:
    await sign_in(person, client)
    await person.reads("There is no connection yet")
    assert await person.page.evaluate(NOTHING_KEPT) == 0
    assert client.token not in await person.page.content()
    assert await person.page.get_by_label("Bearer token").input_value() == ""
    await person.press(person.page.get_by_role("button", name="Forget token"))
    await person.reads("The token is forgotten.")
    await sign_in(person, client)
    await person.reads("There is no connection yet")
    await person.page.reload()
    await expect(person.page.get_by_label("Bearer token")).to_be_visible()
    await expect(person.page.get_by_role("heading", name="Connections")).to_be_hidden()


async def test_the_token_is_hidden_and_no_password_manager_takes_it_for_a_login(person: Person, client: Client) -> None:
    await person.open(f"{client.stack.api}/api/console")
    field = person.page.get_by_label("Bearer token")
    shown = await field.evaluate("field => getComputedStyle(field).getPropertyValue('-webkit-text-security')")
    assert (await field.get_attribute("type"), shown) == ("text", "disc")
    await expect(person.page.locator("input[type=password]")).to_have_count(0)


async def test_the_line_that_the_local_stack_prints_can_be_pasted_as_it_is(person: Person, client: Client) -> None:
    await sign_in(person, client, f"export TOKEN={client.token}")
    await person.reads("There is no connection yet")


async def test_a_token_that_is_not_accepted_is_asked_for_again(person: Person, client: Client) -> None:
    person.expected.add(401)
    await sign_in(person, client, "nonsense")
    await expect(person.page.get_by_role("alert")).to_contain_text("The token is not accepted")
    await expect(person.page.get_by_label("Bearer token")).to_be_focused()
    await person.looks("console-refused")


async def test_a_token_without_the_right_says_which_is_missing(person: Person, client: Client, org_id: str) -> None:
    person.expected.add(403)
    await sign_in(person, client, await token_of(client, org_id, roles=["AppConnections.Create"]))
    await expect(person.page.get_by_role("alert")).to_contain_text("You are not allowed to")


async def test_a_connect_link_is_made_and_its_outcome_is_told(
    person: Person, client: Client, customer: Customer
) -> None:
    await sign_in(person, client)
    await person.press(person.page.get_by_text("Make a connect link", exact=True))
    await person.write(person.page.get_by_label("Name"), "payments-prod")
    await person.write(person.page.get_by_label("Tenant"), customer.tenant)
    await person.write(person.page.get_by_label("Rotate every"), "90")
    await person.page.keyboard.press("Enter")
    made = person.page.get_by_label("Connect link for payments-prod")
    await expect(made).to_be_visible()
    await person.looks("console-link")
    url = await made.input_value()
    await person.press(person.page.get_by_role("button", name="Has it been used?"))
    await expect(person.page.get_by_text("Nobody has signed in yet.")).to_be_visible()
    await visit(person, client, url)
    await person.page.keyboard.press("Enter")
    await expect(card(person, "payments-prod")).to_contain_text("Next rotation")


async def test_what_the_service_refuses_of_a_link_is_told(person: Person, client: Client) -> None:
    person.expected.add(422)
    await sign_in(person, client)
    await person.press(person.page.get_by_text("Make a connect link", exact=True))
    await person.write(person.page.get_by_label("Name"), "payments-prod")
    await person.write(person.page.get_by_label("Tenant"), "no tenant/at all")
    await person.page.keyboard.press("Enter")
    await person.reads("credentials.tenantId:")


async def test_a_rotation_is_begun_followed_to_its_end_and_found_in_the_history(
    person: Person, client: Client, customer: Customer
) -> None:
    made = (await create(client, customer, "payments-prod", **MONTHLY)).connection
    await sign_in(person, client)
    await person.press(person.page.get_by_role("button", name="Rotate payments-prod now"))
    await expect(card(person, "payments-prod").get_by_text("Rotated.")).to_be_visible()
    assert len(await client.versions(made["id"])) == 2
    await person.press(person.page.get_by_label("History of payments-prod"))
    runs = person.page.get_by_role("list", name="Rotations of payments-prod").get_by_role("listitem")
    await expect(runs).to_have_count(1)
    await expect(runs).to_contain_text("Asked for, 1 try")
    await expect(runs).to_contain_text("Succeeded")
    await person.looks("console-history")


async def test_a_rotation_that_fails_moves_the_connection_and_the_focus_stays(
    person: Person, client: Client, customer: Customer
) -> None:
    await create(client, customer, "payments-prod", **MONTHLY)
    await sign_in(person, client)
    await client.revoke_grants(customer.user)
    rotate = person.page.get_by_role("button", name="Rotate payments-prod now")
    await person.press(rotate)
    moved = group(person, "Needs reconnecting").get_by_role("article", name="payments-prod")
    await expect(moved).to_contain_text("The rotation failed.")
    await expect(moved).to_contain_text("Reconnect: open a new connect link and sign in again.")
    await expect(rotate).to_be_focused()


async def test_a_dead_connection_is_reconnected_through_a_link_and_works_again(
    person: Person, client: Client, customer: Customer
) -> None:
    await refused(client, customer, "payments-prod", REVOKED, "needs-reconnect", **MONTHLY)
    await mended(client, customer)
    await sign_in(person, client)
    reconnect = person.page.get_by_role("button", name="Reconnect payments-prod")
    await person.press(reconnect)
    link = person.page.get_by_label("Link to reconnect payments-prod")
    await expect(link).to_be_focused()
    await person.looks("console-reconnect")
    url = await link.input_value()
    await person.press(person.page.get_by_role("button", name="Has it been used?"))
    await expect(card(person, "payments-prod")).to_contain_text("Nobody has signed in yet.")
    await visit(person, client, url)
    await person.page.keyboard.press("Enter")
    working = group(person, "Active").get_by_role("article", name="payments-prod")
    await expect(working).to_contain_text("Reconnected.")
    await expect(working).not_to_contain_text("Reason")
    await expect(reconnect).to_be_focused()
    (listed,) = (await call(client, "GET", KEY_VAULT)).json["appConnections"]
    assert (await call(client, "POST", f"{KEY_VAULT}/{listed['id']}/access-token")).status == 200


async def test_another_account_reconnects_only_where_the_link_allows_it(person: Person, client: Client) -> None:
    ida = {"id": str(uuid4()), "displayName": "Ida Deputy", "userPrincipalName": "ida@customer.example"}
    customer = await Customer.new(client)
    uma = {"id": customer.user, "displayName": "Uma", "userPrincipalName": f"uma@{customer.domain}"}
    await client.entra("POST", "tenants", {"id": customer.tenant, "users": [uma, ida]})
    await refused(client, customer, "payments-prod", ACCOUNT_DISABLED, "needs-reconnect")
    await sign_in(person, client)
    await person.press(person.page.get_by_role("button", name="Reconnect payments-prod"))
    await expect(card(person, "payments-prod")).to_contain_text("The same account has to sign in.")
    await person.press(person.page.get_by_role("button", name="Allow another account"))
    await expect(card(person, "payments-prod")).to_contain_text("Any account may sign in.")
    link = person.page.get_by_label("Link to reconnect payments-prod")
    await expect(link).to_be_focused()
    await visit(person, client, await link.input_value(), "Ida Deputy")
    await person.press(person.page.get_by_role("button", name="Has it been used?"))
    await expect(group(person, "Active").get_by_role("article")).to_contain_text("Reconnected.")


async def test_who_may_not_edit_reads_so_when_they_reconnect(
    person: Person, client: Client, customer: Customer, org_id: str
) -> None:
    person.expected.add(403)
    await create(client, customer, "payments-prod")
    await sign_in(person, client, await token_of(client, org_id, roles=["AppConnections.Read"]))
    await person.press(person.page.get_by_role("button", name="Reconnect payments-prod"))
    await expect(card(person, "payments-prod")).to_contain_text("You are not allowed to")


async def test_an_app_s_own_credential_is_not_reconnected_by_a_sign_in(
    person: Person, client: Client, customer: Customer
) -> None:
    app = await App.new(client, customer)
    await app.add_password(client, "the-secret")
    assert (await create_app(client, "client-secret", app.submits(clientSecret="the-secret"))).status == 200
    await sign_in(person, client)
    await expect(card(person, "app")).to_contain_text("Not scheduled")
    await expect(person.page.get_by_role("button", name="Reconnect app")).to_be_hidden()
    await expect(person.page.get_by_role("button", name="Rotate app now")).to_be_hidden()


async def check(person: Person, client: Client, vault_url: str = "") -> Locator:
    """Sign in and check the one connection there is; its card."""
    await sign_in(person, client)
    await person.press(person.page.get_by_label("Check payments-prod", exact=True))
    await person.write(person.page.get_by_label("Vault address"), vault_url)
    await person.page.keyboard.press("Enter")
    return card(person, "payments-prod")


async def test_a_check_tells_whether_the_vault_lets_its_secrets_be_listed(
    person: Person, client: Client, customer: Customer
) -> None:
    await create(client, customer, "payments-prod")
    vault = client.stack.settings["VAULT_URL"]
    checked = await check(person, client, vault)
    await expect(checked).to_contain_text("May list secretsYes")
    await client.vault("PUT", "access", {"principals": [seed.IDENTITY_OBJECT_ID]})
    try:
        await person.page.keyboard.press("Enter")
        await expect(checked).to_contain_text("May list secretsNoMessageThe vault answers but does not let")
    finally:
        await client.vault("PUT", "access", {"principals": []})
    await person.looks("console-check")


async def test_a_check_that_finds_the_grant_dead_moves_the_connection(
    person: Person, client: Client, customer: Customer
) -> None:
    await create(client, customer, "payments-prod")
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": REVOKED})
    await check(person, client)
    moved = group(person, "Needs reconnecting").get_by_role("article", name="payments-prod")
    await expect(moved).to_contain_text("ResultNeeds reconnecting")
    await expect(moved).to_contain_text("RemedyReconnect: open a new connect link and sign in again.")


async def test_an_outage_is_told_with_the_request_s_id(person: Person, client: Client, customer: Customer) -> None:
    person.expected.add(503)
    await create(client, customer, "payments-prod")
    await client.entra("POST", "faults", {"match": customer.token_endpoint, "status": 503, "times": 20})
    checked = await check(person, client)
    await expect(checked).to_contain_text(re.compile(r"unavailable.*\(request [0-9a-f]{32}\)"))
    await expect(group(person, "Active").get_by_role("article")).to_have_count(1)


async def test_a_vault_address_that_is_none_of_azure_s_is_refused(
    person: Person, client: Client, customer: Customer
) -> None:
    person.expected.add(422)
    await create(client, customer, "payments-prod")
    await expect(await check(person, client, "https://evil.example")).to_contain_text("vaultUrl:")


async def test_no_text_from_anywhere_becomes_markup(person: Person, client: Client, customer: Customer) -> None:
    made = (await create(client, customer, "payments-prod", description=HOSTILE, **MONTHLY)).connection
    hostile = made | {
        "name": HOSTILE,
        "method": HOSTILE,
        "status": {"state": HOSTILE, "reason": HOSTILE, "since": HOSTILE},
        "rotation": made["rotation"] | {"lastRotationMessage": f"late {HOSTILE}", "nextRotationAt": HOSTILE},
        "project": {"id": "x", "name": HOSTILE, "type": "x", "slug": "x"},
    }
    record = {"outcome": HOSTILE, "startedAt": HOSTILE, "trigger": HOSTILE, "attempts": 1, "message": HOSTILE}
    await answers(person, LIST, {"appConnections": [hostile]})
    await answers(person, f"**{KEY_VAULT}/{made['id']}/rotations?*", {"rotations": [record]})
    await sign_in(person, client)
    await person.press(person.page.get_by_label(f"History of {HOSTILE}"))
    await expect(person.page.get_by_role("listitem").filter(has_text="1 try")).to_contain_text(HOSTILE)
    assert await person.page.locator("main img").count() == 0
    assert await person.page.title() == "Console"


async def test_a_long_list_comes_in_pages(person: Person, client: Client, customer: Customer) -> None:
    await create(client, customer, "alpha")
    await create(client, await Customer.new(client), "beta")
    await person.page.route(LIST, shorter)
    await sign_in(person, client)
    await expect(person.page.get_by_role("article")).to_have_count(1)
    await person.press(person.page.get_by_role("button", name="Load more"))
    await expect(person.page.get_by_role("article")).to_have_count(2)
    await expect(person.page.get_by_role("button", name="Load more")).to_be_hidden()


async def shorter(route: Route) -> None:
    """The service's own answer, in pages of one."""
    await route.continue_(url=route.request.url.replace("limit=100", "limit=1"))


async def test_a_service_that_does_not_answer_is_told(person: Person, client: Client) -> None:
    person.expected.add("net::ERR_INTERNET_DISCONNECTED")
    await sign_in(person, client)
    await person.reads("There is no connection yet")
    await person.page.context.set_offline(True)
    await person.press(person.page.get_by_role("button", name="Reload"))
    await expect(person.page.get_by_role("alert")).to_contain_text("The service did not answer.")
    await person.page.context.set_offline(False)
    await person.page.keyboard.press("Enter")
    await expect(person.page.get_by_role("status").first).to_have_text("0 connections shown.")


async def test_the_page_of_the_api_s_description_fits_every_screen(person: Person, client: Client) -> None:
    await person.open(f"{client.stack.api}/api/docs")
    await person.reads(KEY_VAULT)
    await person.looks("docs", full=False)
