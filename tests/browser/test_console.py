"""An operator at the console, in a real browser and with the keyboard only."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Locator, Route, expect

from local.client import KEY_VAULT, Client
from tests.browser.person import Person
from tests.e2e.apps import App, create_app
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, eventually, token_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "<img src=x onerror=\"document.title='stolen'\">"
NOTHING_KEPT = "localStorage.length + sessionStorage.length + document.cookie.length"
MONTHLY = {"isAutoRotationEnabled": True, "rotation": DAILY_AT_THREE}
LIST = f"**{KEY_VAULT}?*"


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


async def answers(person: Person, url: str, body: Any, status: int = 200) -> None:
    """Let the service answer this, whatever it would have said."""

    async def fulfil(route: Route) -> None:
        await route.fulfill(status=status, content_type="application/json", body=json.dumps(body))

    await person.page.route(url, fulfil)


async def needs_reconnect(client: Client, customer: Customer, name: str) -> dict[str, Any]:
    """A connection whose user withdrew the grant."""
    made = (await create(client, customer, name, **MONTHLY)).connection
    await client.revoke_grants(customer.user)
    assert (await call(client, "POST", f"{KEY_VAULT}/{made['id']}/rotate-credentials")).status == 200

    async def look() -> dict[str, Any]:
        return (await call(client, "GET", f"{KEY_VAULT}/{made['id']}")).connection

    return await eventually(look, lambda seen: seen["status"]["state"] == "needs-reconnect")


async def degraded(client: Client, customer: Customer) -> dict[str, Any]:
    """The answer of a connection whose newest rotation failed, as the API would give it."""
    made = (await create(client, customer, "reporting", description="Nightly reports", **MONTHLY)).connection
    reason = "Microsoft Entra ID did not answer. Nothing is to be done: the rotation is tried again tomorrow."
    status = {"state": "degraded", "reason": reason, "since": made["createdAt"]}
    rotation = made["rotation"] | {"rotationStatus": "failed", "lastRotationMessage": reason}
    return made | {"status": status, "rotation": rotation}


async def test_connections_are_shown_by_state_with_reason_and_remedy(
    person: Person, client: Client, customer: Customer
) -> None:
    await create(client, customer, "payments-prod", description="Card payments", **MONTHLY)
    ailing = await degraded(client, customer)
    broken = await needs_reconnect(client, await Customer.new(client), "billing")
    listed = (await call(client, "GET", KEY_VAULT)).json["appConnections"]
    shown = [ailing if each["id"] == ailing["id"] else each for each in listed]
    await person.open(f"{client.stack.api}/api/console")
    await person.looks("console-sign-in")
    await answers(person, LIST, {"appConnections": shown})
    await sign_in(person, client)
    await expect(person.page.get_by_role("status")).to_have_text("3 connections shown.")
    await expect(person.page.get_by_role("list").first.get_by_role("listitem")).to_have_text(
        ["Needs reconnecting: 1", "Degraded: 1", "Active: 1"]
    )
    needing = group(person, "Needs reconnecting").get_by_role("article", name="billing")
    what, remedy = broken["status"]["reason"].split(". ", 1)
    await expect(needing).to_contain_text(f"Reason{what}.Remedy{remedy}")
    await expect(group(person, "Degraded")).to_contain_text("Microsoft Entra ID did not answer.")
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
    await expect(person.page.get_by_text("pending", exact=True)).to_be_visible()
    visitor = Person(await person.page.context.new_page(), allowed=(client.stack.api, client.stack.entra))
    await visitor.open(url)
    await visitor.go(visitor.page.get_by_role("button"))
    await visitor.consent("Uma")
    visitor.saw_nothing_odd()
    await person.page.bring_to_front()
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
    await expect(runs).to_contain_text("manual, 1 try")
    await expect(runs).to_contain_text("success")
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


async def test_what_never_had_a_schedule_offers_no_rotation(person: Person, client: Client, customer: Customer) -> None:
    app = await App.new(client, customer)
    await app.add_password(client, "the-secret")
    reply = await create_app(client, "client-secret", app.submits(clientSecret="the-secret"))
    assert reply.status == 200, reply.text
    await sign_in(person, client)
    await expect(card(person, "app")).to_contain_text("Not scheduled")
    await expect(person.page.get_by_role("button", name="Rotate app now")).to_be_hidden()


async def test_a_check_shows_what_was_found(person: Person, client: Client, customer: Customer) -> None:
    made = (await create(client, customer, "payments-prod")).connection
    found = {"status": "active", "checkedAt": made["createdAt"], "canListSecrets": False, "message": "No list right."}
    sent: list[Any] = []

    async def fulfil(route: Route) -> None:
        sent.append(route.request.post_data_json)
        await route.fulfill(content_type="application/json", body=json.dumps(found))

    await person.page.route(f"**{KEY_VAULT}/{made['id']}/check", fulfil)
    await sign_in(person, client)
    await person.press(person.page.get_by_label("Check payments-prod", exact=True))
    await person.write(person.page.get_by_label("Vault address"), "https://pay.vault.azure.net")
    await person.page.keyboard.press("Enter")
    await expect(card(person, "payments-prod")).to_contain_text("May list secretsnoMessageNo list right.")
    assert sent == [{"vaultUrl": "https://pay.vault.azure.net"}]
    await person.looks("console-check")


async def test_a_service_that_cannot_check_says_so(person: Person, client: Client, customer: Customer) -> None:
    person.expected.add(404)
    made = (await create(client, customer, "payments-prod")).connection
    refusal = {"statusCode": 404, "error": "NotFound", "message": "There is no POST on this path; see /api/docs"}
    await answers(person, f"**{KEY_VAULT}/{made['id']}/check", refusal, 404)
    await sign_in(person, client)
    await person.press(person.page.get_by_label("Check payments-prod", exact=True))
    await person.press(person.page.get_by_role("button", name="Check payments-prod now"))
    await expect(card(person, "payments-prod")).to_contain_text("cannot check connections yet")


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
    first = (await create(client, customer, "alpha")).connection
    second = (await create(client, await Customer.new(client), "beta")).connection
    await answers(person, f"**{KEY_VAULT}?limit=100", {"appConnections": [first], "nextCursor": "further"})
    await answers(person, f"**{KEY_VAULT}?limit=100&cursor=further", {"appConnections": [second]})
    await sign_in(person, client)
    await person.press(person.page.get_by_role("button", name="Load more"))
    await expect(person.page.get_by_role("article")).to_have_count(2)
    await expect(person.page.get_by_role("button", name="Load more")).to_be_hidden()


async def test_a_service_that_does_not_answer_is_told(person: Person, client: Client) -> None:
    await sign_in(person, client)
    await person.reads("There is no connection yet")
    await person.page.route(LIST, lambda route: route.fulfill(status=503, content_type="application/json", body="{}"))
    person.expected.add(503)
    await person.press(person.page.get_by_role("button", name="Reload"))
    await expect(person.page.get_by_role("alert")).to_contain_text("The service answered with status 503.")


async def test_the_page_of_the_api_s_description_fits_every_screen(person: Person, client: Client) -> None:
    await person.open(f"{client.stack.api}/api/docs")
    await person.reads(KEY_VAULT)
    await person.looks("docs", full=False)
