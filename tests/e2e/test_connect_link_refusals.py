"""What a stranger, a replay or a mix-up at the connect link runs into."""

from __future__ import annotations

import secrets
from html import unescape

import pytest

from local.client import KEY_VAULT, Client
from local.entra.seed import CALLBACK_PATH
from shared.domain.sealing import digest
from tests.e2e.browser import Attempt, Link
from tests.e2e.conftest import Break
from tests.e2e.storage import end_flow
from tests.e2e.world import Customer, Reply, call, live_secrets, raw, refusal


async def nothing_came_of(client: Client, link: Link, reply: Reply, text: str) -> None:
    assert reply.status in (400, 403, 405), reply.text
    assert text in unescape(reply.text)
    assert reply.headers["Content-Type"].startswith("text/html")
    assert (await link.status(client))["state"] != "succeeded"
    refusal(await call(client, "GET", f"{KEY_VAULT}/{link.connection_id}"), 404, "NotFound")
    assert not await client.versions(link.connection_id)


@pytest.fixture
async def link(client: Client, customer: Customer) -> Link:
    return await Link.new(client, "prod", credentials={"tenantId": customer.tenant})


async def test_an_unknown_link_is_a_page_that_says_so(client: Client) -> None:
    path = f"{KEY_VAULT}/oauth/connect/{secrets.token_urlsafe(32)}"
    origin = {"Origin": client.stack.api}
    for reply in (await raw(client, "GET", path), await raw(client, "POST", path, headers=origin)):
        assert reply.status == 404
        assert "This connect link is not known" in reply.text


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {}])
async def test_only_our_own_page_presses_the_button(client: Client, link: Link, headers: dict[str, str]) -> None:
    reply = await raw(client, "POST", link.path, headers=headers)
    assert "Set-Cookie" not in reply.headers
    await nothing_came_of(client, link, reply, "did not come from the connect page")


@pytest.mark.parametrize("cookie", ["missing", "another browser's", "another attempt's"])
async def test_the_answer_must_come_from_the_browser_that_began(
    client: Client, customer: Customer, link: Link, cookie: str
) -> None:
    attempt, other = await Attempt.begin(client, link), await Attempt.begin(client, link)
    header = {
        "missing": "",
        "another browser's": f"{attempt.cookie.key}={secrets.token_urlsafe(32)}",
        "another attempt's": f"{attempt.cookie.key}={other.cookie.value}",
    }[cookie]
    code = await attempt.code(client, customer)
    reply = await attempt.answer(client, cookie=header, code=code)
    await nothing_came_of(client, link, reply, "begun in another browser")
    assert (await attempt.answer(client, code=code)).status == 200  # the right browser lost nothing by it


async def test_a_state_works_once(client: Client, customer: Customer, link: Link) -> None:
    attempt = await Attempt.begin(client, link)
    declined = await attempt.answer(client, error="access_denied")
    await nothing_came_of(client, link, declined, "declined")
    replayed = await attempt.finish(client, customer)
    await nothing_came_of(client, link, replayed, "not known or was used already")


async def test_a_replay_after_success_changes_nothing(client: Client, customer: Customer, link: Link) -> None:
    attempt = await Attempt.begin(client, link)
    code = await attempt.code(client, customer)
    assert (await attempt.answer(client, code=code)).status == 200
    assert (await attempt.answer(client, code=code)).status == 400
    assert len(await client.versions(link.connection_id)) == 1
    assert (await link.status(client))["state"] == "succeeded"


async def test_a_made_up_or_missing_state_is_refused(client: Client, customer: Customer, link: Link) -> None:
    attempt = await Attempt.begin(client, link)
    code = await attempt.code(client, customer)
    for fields in ({"state": secrets.token_urlsafe(32)}, {"state": ""}):
        reply = await attempt.answer(client, code=code, **fields)
        await nothing_came_of(client, link, reply, "not known or was used already")


async def test_a_sign_in_of_another_tenant_is_refused(client: Client, link: Link) -> None:
    before = await live_secrets(client)
    attempt, stranger = await Attempt.begin(client, link), await Customer.new(client)
    reply = await attempt.finish(client, stranger)
    await nothing_came_of(client, link, reply, "The authorization code belongs to another tenant")
    assert await live_secrets(client) == before


async def test_the_token_itself_must_be_of_the_tenant_that_was_asked_for(
    client: Client, customer: Customer, link: Link, break_entra: Break
) -> None:
    attempt, stranger = await Attempt.begin(client, link), await Customer.new(client)
    claims = {"tenant": stranger.tenant, "oid": stranger.user, "nonce": attempt.authorize["nonce"]}
    audience = {"audience": attempt.authorize["client_id"]}
    token = (await client.entra("POST", "tokens", claims | audience))["accessToken"]
    tokens = {"token_type": "Bearer", "expires_in": 60, "access_token": "a", "refresh_token": "r", "id_token": token}
    await break_entra(customer.token_endpoint, status=200, body=tokens)
    reply = await attempt.finish(client, customer)
    await nothing_came_of(client, link, reply, "another tenant than the connection asks for")


async def test_a_code_of_another_attempt_is_refused(client: Client, customer: Customer, link: Link) -> None:
    attempt, other = await Attempt.begin(client, link), await Attempt.begin(client, link)
    reply = await attempt.answer(client, code=await other.code(client, customer))
    await nothing_came_of(client, link, reply, "PKCE")


async def test_an_id_token_with_another_nonce_is_refused(
    client: Client, customer: Customer, link: Link, break_entra: Break
) -> None:
    attempt = await Attempt.begin(client, link)
    claims = {"tenant": customer.tenant, "oid": customer.user, "nonce": "replayed"}
    audience = {"audience": attempt.authorize["client_id"]}
    token = (await client.entra("POST", "tokens", claims | audience))["accessToken"]
    tokens = {"token_type": "Bearer", "expires_in": 60, "access_token": "a", "refresh_token": "r", "id_token": token}
    await break_entra(customer.token_endpoint, status=200, body=tokens)
    await nothing_came_of(client, link, await attempt.finish(client, customer), "does not belong to this sign-in")


async def test_what_entra_writes_into_an_error_never_reaches_the_page(client: Client, link: Link) -> None:
    attempt = await Attempt.begin(client, link)
    reply = await attempt.answer(client, error="<b>odd</b>", error_description="AADSTS65004: <script>alert(1)</script>")
    await nothing_came_of(client, link, reply, "AADSTS65004")
    assert "script" not in reply.text
    assert "odd" not in reply.text


async def test_over_http_the_callback_takes_no_posts(client: Client, customer: Customer, link: Link) -> None:
    attempt = await Attempt.begin(client, link)
    fields = {"state": attempt.state, "code": await attempt.code(client, customer)}
    cookie = {"Cookie": f"{attempt.cookie.key}={attempt.cookie.value}"}
    reply = await raw(client, "POST", CALLBACK_PATH, data=fields, headers=cookie)
    await nothing_came_of(client, link, reply, "answers to Microsoft's sign-in only")


async def test_an_expired_link_says_so_on_every_way(client: Client, customer: Customer, link: Link) -> None:
    attempt = await Attempt.begin(client, link)
    await end_flow(client.stack.storage, link.flow_id, "link")
    for reply in (await raw(client, "GET", link.path), await link.press(client)):
        assert reply.status == 410
        assert "This connect link has expired" in reply.text
    await nothing_came_of(client, link, await attempt.finish(client, customer), "took too long")
    assert (await link.status(client))["state"] == "expired"


async def test_an_attempt_that_took_too_long_is_refused_and_the_next_one_works(
    client: Client, customer: Customer, link: Link
) -> None:
    attempt = await Attempt.begin(client, link)
    await end_flow(client.stack.storage, digest(attempt.state), "attempt")
    await nothing_came_of(client, link, await attempt.finish(client, customer), "took too long")
    assert (await (await Attempt.begin(client, link)).finish(client, customer)).status == 200
