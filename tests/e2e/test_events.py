"""What other programs hear of a connection's life, from the first sign-in to its end."""

from __future__ import annotations

from typing import Any

from local.client import KEY_VAULT, Client
from shared.domain.events import ConnectionChanged, RotationEnded
from tests.e2e.browser import Attempt, Link
from tests.e2e.world import DAILY_AT_THREE, Customer, call, create, eventually

LIFE = [
    ("connection.created", "active"),
    ("rotation.succeeded", None),
    ("connection.needs-reconnect", "needs-reconnect"),
    ("connection.reconnected", "active"),
    ("connection.recovered", "active"),
    ("connection.deleted", "active"),
]


async def test_a_connection_s_life_is_told_in_order_and_once_each(client: Client, customer: Customer) -> None:
    made = (await create(client, customer, rotation=DAILY_AT_THREE)).connection
    path = f"{KEY_VAULT}/{made['id']}"

    async def told() -> list[dict[str, Any]]:
        return list({event["id"]: event for event in await client.events(made["id"])}.values())

    assert (await call(client, "POST", f"{path}/rotate-credentials")).status == 200
    await eventually(told, lambda events: len(events) == 2)
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": 50173})
    assert (await call(client, "POST", f"{path}/access-token")).status == 424
    await client.entra("POST", "grants", {"user": customer.user, "refusedWith": None})
    link = await Link.new(client, "prod", connectionId=made["id"])
    assert (await (await Attempt.begin(client, link)).finish(client, customer)).status == 200
    assert (await call(client, "DELETE", path)).status == 200
    events = await eventually(told, lambda events: len(events) == len(LIFE))
    assert [(event["type"], event["data"].get("state")) for event in events] == LIFE
    for event in events:
        schema = RotationEnded if event["type"].startswith("rotation.") else ConnectionChanged
        assert schema.model_validate(event["data"]).model_dump(mode="json") == event["data"]
        assert event["subject"] == f"organizations/{made['orgId']}/connections/{made['id']}"
