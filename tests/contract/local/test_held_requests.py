"""Requests that a stand-in holds: they outlive their senders, and go on when the faults are cleared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ServerDisconnectedError, web
from aiohttp.test_utils import TestClient, TestServer

from local.faults import Faults
from tests.e2e.world import eventually

Speaking = TestClient[web.Request, web.Application]


@pytest.fixture
def arrived() -> list[str]:
    """What the service acted on."""
    return []


@pytest.fixture
async def client(arrived: list[str]) -> AsyncIterator[Speaking]:
    """A service that can be made to fail."""

    async def act(request: web.Request) -> web.Response:
        arrived.append(await request.text())
        return web.json_response({})

    faults = Faults()
    app = web.Application(middlewares=[faults.middleware])
    app.add_routes([*faults.routes(), web.put("/secret", act)])
    async with TestClient(TestServer(app)) as speaking:
        yield speaking


async def state(client: Speaking) -> dict[str, Any]:
    found: dict[str, Any] = await (await client.get("/_control/faults")).json()
    return found


async def sent_and_forgotten(client: Speaking, **fault: Any) -> None:
    """A request whose sender dies while it is held."""
    await client.post("/_control/faults", json={"match": "PUT /secret", **fault})
    assert await state(client) == {"waiting": 1, "held": 0}
    sender = asyncio.create_task(_put(client))
    await eventually(lambda: state(client), lambda seen: seen == {"waiting": 0, "held": 1})
    sender.cancel()


async def _put(client: Speaking) -> None:
    await client.put("/secret", data=b"a body")


async def test_a_request_arrives_after_its_sender_is_gone(client: Speaking, arrived: list[str]) -> None:
    await sent_and_forgotten(client, hold="before")
    assert arrived == []
    await client.delete("/_control/faults")
    await eventually(lambda: state(client), lambda seen: seen["held"] == 0)
    assert arrived == ["a body"]


async def test_an_answer_is_held_and_what_was_asked_for_is_done(client: Speaking, arrived: list[str]) -> None:
    await sent_and_forgotten(client, hold="after")
    assert arrived == ["a body"]


async def test_a_held_request_may_never_arrive(client: Speaking, arrived: list[str]) -> None:
    await client.post("/_control/faults", json={"match": "PUT /secret", "hold": "before", "refuse": True, "times": 2})
    sender = asyncio.create_task(_put(client))
    await eventually(lambda: state(client), lambda seen: seen["held"] == 1)
    await client.delete("/_control/faults")
    with pytest.raises((ServerDisconnectedError, ClientConnectionError)):
        await sender
    assert arrived == []
