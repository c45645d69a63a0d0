"""Two instances at once, and clocks five minutes apart: neither ends a connection, nor keeps anybody from a token."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import pytest

from local.client import KEY_VAULT, Client
from local.stack import Stack
from tests.e2e.apps import get
from tests.e2e.browser import Attempt, Link
from tests.e2e.stacks import NEVER, beside
from tests.e2e.test_using_a_connection import access_token, check
from tests.e2e.world import DAILY_AT_THREE, Customer, Reply, call, create, eventually, refusal, token_of

SKEWS = [300, -300]
"""Seconds that one clock is ahead of another."""

Another = Callable[..., Awaitable[Client]]
"""`await another(CLOCK_AHEAD_SECONDS="300")`: a second instance, and a program of the same organisation at it."""


@pytest.fixture
async def another(stack: Stack, client: Client) -> AsyncIterator[Another]:
    async with AsyncExitStack() as ending:

        async def start(**settings: str) -> Client:
            host = beside(stack, name="another", offset=10, settings={"WORK_SCHEDULE": NEVER, **settings})
            ending.push_async_callback(host.processes.stop_all)
            await host.start_host()
            return await ending.enter_async_context(Client(host, client.token))

        yield start


@pytest.fixture
async def short_tokens(client: Client) -> AsyncIterator[None]:
    """Tokens that are over too soon to be kept: each use signs in."""
    await client.entra("POST", "settings", {"accessTokenSeconds": 200})
    yield
    await client.entra("POST", "settings", {"accessTokenSeconds": 4500})


@pytest.fixture(params=SKEWS, ids=["ahead", "behind"])
async def skewed_entra(request: pytest.FixtureRequest, client: Client) -> AsyncIterator[None]:
    """An authority whose clock is five minutes off; all tokens say so."""
    await client.entra("POST", "settings", {"clockAheadSeconds": request.param})
    yield
    await client.entra("POST", "settings", {"clockAheadSeconds": 0})


async def rotated(client: Client, _: Customer, made: dict[str, Any]) -> None:
    assert (await call(client, "POST", f"{KEY_VAULT}/{made['id']}/rotate-credentials")).status == 200


async def updated(client: Client, customer: Customer, made: dict[str, Any]) -> None:
    credentials = {"code": await customer.code(client), "tenantId": customer.tenant}
    reply = await call(client, "PATCH", f"{KEY_VAULT}/{made['id']}", {"credentials": credentials})
    assert reply.status == 200, reply.text


async def reconnected(client: Client, customer: Customer, made: dict[str, Any]) -> None:
    link = await Link.new(client, made["name"], connectionId=made["id"])
    assert (await (await Attempt.begin(client, link)).finish(client, customer)).status == 200


async def only_the_newest_version_is_readable(client: Client, connection_id: str) -> None:
    def is_so(versions: list[dict[str, Any]]) -> bool:
        readable = [version["enabled"] for version in versions]
        return len(readable) > 1 and readable[-1] and not any(readable[:-1])

    await eventually(lambda: client.versions(connection_id), is_so)


@pytest.mark.usefixtures("short_tokens")
@pytest.mark.parametrize("replaced", [rotated, updated, reconnected])
async def test_an_instance_that_holds_the_old_credential_finds_the_new_one(
    client: Client, another: Another, replaced: Callable[[Client, Customer, dict[str, Any]], Awaitable[None]]
) -> None:
    customer, late = await Customer.new(client), await another()
    made = (await create(client, customer, "replaced", rotation=DAILY_AT_THREE)).connection
    assert (await access_token(late, made["id"])).status == 200
    await replaced(client, customer, made)
    await only_the_newest_version_is_readable(client, made["id"])
    reply = await access_token(late, made["id"])
    assert reply.status == 200, f"read a moment ago, its row still names the old version: {reply.text}"
    assert (await check(late, made["id"], {})).json["status"] == "active"
    assert (await get(client, made))["status"] == made["status"], "nothing was judged"


async def test_an_instance_that_saw_a_grant_die_takes_the_new_one_at_once(client: Client, another: Another) -> None:
    customer, other = await Customer.new(client), await another()
    made = (await create(client, customer, "revived")).connection
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": 50173})
    for instance in (other, client):
        refusal(await access_token(instance, made["id"]), 424, "FailedDependency")
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": None})
    await reconnected(client, customer, made)
    for instance in (other, client):
        assert (await access_token(instance, made["id"])).status == 200


def seconds_left(reply: Reply) -> float:
    """What is left of a token that was handed out, by the machine's clock."""
    assert reply.status == 200, reply.text
    return datetime.fromisoformat(reply.json["expiresAt"]).timestamp() - time.time()


@pytest.mark.parametrize("ahead", SKEWS)
async def test_two_instances_whose_clocks_differ_serve_the_same_connections(
    client: Client, another: Another, ahead: int
) -> None:
    customer, off = await Customer.new(client), await another(CLOCK_AHEAD_SECONDS=str(ahead))
    for maker, other in ((client, off), (off, client)):
        made = (await create(maker, customer, f"by-{maker.stack.ports.api}")).connection
        for instance in (maker, other, maker):
            assert (await access_token(instance, made["id"])).status == 200
        await updated(other, customer, made)
        await only_the_newest_version_is_readable(client, made["id"])
        for instance in (maker, other):
            assert (await check(instance, made["id"], {})).json["status"] == "active"
            assert (await access_token(instance, made["id"])).status == 200
        assert (await get(client, made))["status"]["state"] == "active"


@pytest.mark.usefixtures("skewed_entra")
async def test_an_authority_whose_clock_is_off_lets_connections_be_made_used_and_checked(client: Client) -> None:
    customer = await Customer.new(client)
    org_id = (await create(client, customer, "earlier")).connection["orgId"]
    client.token = await token_of(client, org_id)
    made = (await create(client, customer, "skewed")).connection
    left = seconds_left(await access_token(client, made["id"]))
    assert 4300 < left <= 4500, "its life is told in seconds, whatever the date"
    reply = await check(client, made["id"], {"vaultUrl": client.stack.settings["VAULT_URL"]})
    assert (reply.json["status"], reply.json["canListSecrets"]) == ("active", True), reply.text
    await reconnected(client, customer, made)
    assert (await get(client, made))["status"]["state"] == "active"


async def test_a_callers_token_is_taken_with_five_minutes_of_skew_and_no_more(client: Client) -> None:
    customer = await Customer.new(client)
    made = (await create(client, customer, "asked")).connection
    now = int(time.time())
    for claims, status in (
        ({"nbf": now + 290, "iat": now + 290}, 200),
        ({"exp": now - 290}, 200),
        ({"nbf": now + 330, "iat": now + 330}, 401),
        ({"exp": now - 310}, 401),
    ):
        token = await token_of(client, made["orgId"], **claims)
        reply = await call(client, "POST", f"{KEY_VAULT}/{made['id']}/access-token", token=token)
        assert reply.status == status, f"{claims}: {reply.text}"
