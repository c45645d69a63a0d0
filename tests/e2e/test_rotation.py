"""Rotation: on schedule, by hand, refused; and what travels on the queue."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.client import KEY_VAULT, Client
from local.stack import Stack
from tests.e2e.conftest import Break
from tests.e2e.storage import messages, rotation_records
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, eventually, refusal

OFTEN = DAILY_AT_THREE | {"rotationInterval": 2}


@pytest.fixture
async def quiet(quiet_stack: Stack, client: Client) -> AsyncIterator[Client]:
    """The same organisation's program, speaking to a host whose messages nobody reads."""
    async with Client(quiet_stack, client.token) as speaking:
        yield speaking


async def rotate(client: Client, connection_id: str) -> dict[str, Any]:
    return (await call(client, "POST", f"{KEY_VAULT}/{connection_id}/rotate-credentials")).connection


async def rotated(client: Client, connection_id: str, status: str) -> dict[str, Any]:
    """The connection once its rotation has that status."""

    async def look() -> dict[str, Any]:
        return (await call(client, "GET", f"{KEY_VAULT}/{connection_id}")).connection

    return await eventually(look, lambda seen: seen["rotation"]["rotationStatus"] == status)


async def refresh_tokens(client: Client, connection_id: str) -> list[tuple[str, bool]]:
    """What each secret version holds, oldest first, and whether it can be read."""
    versions = await client.versions(connection_id)
    return [(json.loads(version["value"])["refreshToken"], version["enabled"]) for version in versions]


async def test_a_rotation_comes_by_itself_when_it_is_due(client: Client, customer: Customer, org_id: str) -> None:
    made = (await create(client, customer, isAutoRotationEnabled=True, rotation=OFTEN)).connection
    assert made["rotation"]["nextRotationAt"] > made["createdAt"]
    assert made["rotation"]["lastRotatedAt"] is None

    async def look() -> dict[str, Any]:
        return (await call(client, "GET", f"{KEY_VAULT}/{made['id']}")).connection

    seen = await eventually(look, lambda found: found["rotation"]["lastRotatedAt"])
    tokens = await eventually(
        lambda: refresh_tokens(client, made["id"]), lambda found: len(found) > 1 and not found[0][1]
    )
    await call(client, "DELETE", f"{KEY_VAULT}/{made['id']}")
    assert seen["rotation"]["rotationStatus"] in ("success", "in-progress")
    assert seen["rotation"]["nextRotationAt"] > seen["rotation"]["lastRotatedAt"]
    assert seen["credentialsHash"] == made["credentialsHash"]
    assert seen["status"] == made["status"]
    assert tokens[0][0] != tokens[1][0]
    records = [json.loads(record) for record in await rotation_records(client.stack.storage, org_id, made["id"])]
    assert {(record["trigger"], record["outcome"]) for record in records} == {("scheduled", "success")}


async def test_a_rotation_by_hand_works_while_auto_rotation_is_off(client: Client, customer: Customer) -> None:
    made = (await create(client, customer, rotation=DAILY_AT_THREE)).connection
    answer = await rotate(client, made["id"])
    assert answer["rotation"]["rotationStatus"] == "in-progress"
    seen = await rotated(client, made["id"], "success")
    assert seen["rotation"]["nextRotationAt"] is None
    assert seen["rotation"]["lastRotationMessage"] is None
    tokens = await eventually(lambda: refresh_tokens(client, made["id"]), lambda found: not found[0][1])
    assert [readable for _, readable in tokens] == [False, True]


async def test_pressed_again_while_under_way_is_the_same_rotation(
    client: Client, customer: Customer, org_id: str, break_entra: Break
) -> None:
    made = (await create(client, customer, rotation=DAILY_AT_THREE)).connection
    await break_entra(customer.token_endpoint, delay=0.5, times=3)
    answers = [await rotate(client, made["id"]) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    await rotated(client, made["id"], "success")
    records = await eventually(
        lambda: rotation_records(client.stack.storage, org_id, made["id"]), lambda found: len(found) > 0
    )
    assert len(records) == 1
    # Each press sent a message, so workers may have raced: whoever came second takes its own version back.
    tokens = await eventually(
        lambda: refresh_tokens(client, made["id"]), lambda found: sum(readable for _, readable in found) == 1
    )
    assert not tokens[0][1]


async def test_without_a_plan_there_is_no_rotation(client: Client, customer: Customer) -> None:
    made = (await create(client, customer)).connection
    reply = await call(client, "POST", f"{KEY_VAULT}/{made['id']}/rotate-credentials")
    assert refusal(reply, 404, "NotFound") == "Credential rotation is not configured for this connection"


async def test_a_refused_rotation_says_why_and_what_to_do(client: Client, customer: Customer, org_id: str) -> None:
    made = (await create(client, customer, rotation=DAILY_AT_THREE)).connection
    await client.revoke_grants(customer.user)
    await rotate(client, made["id"])
    seen = await rotated(client, made["id"], "failed")
    message = seen["rotation"]["lastRotationMessage"]
    assert "The sign-in was revoked" in message
    assert "Reconnect: open a new connect link and sign in again." in message
    assert (seen["status"]["state"], seen["status"]["reason"]) == ("needs-reconnect", message)
    assert [readable for _, readable in await refresh_tokens(client, made["id"])] == [True]
    (record,) = await eventually(
        lambda: rotation_records(client.stack.storage, org_id, made["id"]), lambda found: len(found) > 0
    )
    assert json.loads(record)["outcome"] == "failed"
    assert json.loads(record)["message"] == message


async def test_a_message_holds_two_ids_in_base64_and_nothing_else(
    quiet: Client, customer: Customer, org_id: str, azurite: str
) -> None:
    made = (await create(quiet, customer, rotation=DAILY_AT_THREE)).connection
    before = await messages(azurite, "work")
    answers = [await rotate(quiet, made["id"]) for _ in range(2)]
    body = f'{{"orgId":"{org_id}","connectionId":"{made["id"]}"}}'
    sent = (await messages(azurite, "work"))[len(before) :]
    assert sent == [base64.b64encode(body.encode()).decode()]  # pressed again while under way, no second one
    assert answers[0] == answers[1]
    assert answers[0]["rotation"]["rotationStatus"] == "in-progress"


async def test_a_refused_press_puts_nothing_on_the_queue(quiet: Client, customer: Customer, azurite: str) -> None:
    made = (await create(quiet, customer)).connection
    before = await messages(azurite, "work")
    await call(quiet, "POST", f"{KEY_VAULT}/{made['id']}/rotate-credentials")
    assert await messages(azurite, "work") == before
