"""Faults on demand, met by number or by chance, and counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import ValidationError

from local.faults import Fault, Faults

ASKED = 400


@dataclass(slots=True)
class World:
    """A stand-in that acts on `GET /act`, and its one caller."""

    client: TestClient[web.Request, web.Application]
    acted: list[str] = field(default_factory=list)

    async def ask(self, path: str = "/act") -> int | None:
        """The status; None when the connection was cut."""
        try:
            async with self.client.get(path) as answer:
                return answer.status
        except aiohttp.ClientError:
            return None

    async def add(self, **fault: Any) -> None:
        async with self.client.post("/_control/faults", json={"match": "GET /act", **fault}) as answer:
            assert answer.status == 201

    async def counts(self) -> Any:
        async with self.client.get("/_control/faults/counts") as answer:
            return await answer.json()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    faults = Faults()
    app = web.Application(middlewares=[faults.middleware])
    acted: list[str] = []

    async def act(request: web.Request) -> web.Response:
        acted.append(request.path)
        return web.json_response({})

    app.add_routes([*faults.routes(), web.get("/act", act), web.get("/other", act)])
    async with TestClient(TestServer(app)) as client:
        client.session._retry_connection = False  # else aiohttp asks again by itself where a connection was cut
        yield World(client, acted)


async def test_a_share_of_the_requests_fails_at_random_until_it_is_cleared(world: World) -> None:
    await world.add(share=0.25, seed=1, status=503)
    seen = [await world.ask() for _ in range(ASKED)]
    assert set(seen) == {200, 503}
    assert ASKED * 0.15 < seen.count(503) < ASKED * 0.35
    assert [await world.ask("/other") for _ in range(20)] == [200] * 20
    async with world.client.delete("/_control/faults"):
        pass
    assert [await world.ask() for _ in range(20)] == [200] * 20


async def test_the_same_seed_fails_the_same_requests_again(world: World) -> None:
    runs = []
    for seed in (7, 7, 8):
        await world.add(share=0.3, seed=seed, status=429)
        runs.append([await world.ask() for _ in range(50)])
        async with world.client.delete("/_control/faults"):
            pass
    assert runs[0] == runs[1] != runs[2]


async def test_several_shares_stand_beside_each_other_and_are_counted_by_kind(world: World) -> None:
    await world.add(share=0.1, seed=1, status=429)
    await world.add(share=0.1, seed=2, lose_answer=True)
    await world.add(share=0.1, seed=3, refuse=True)
    seen = [await world.ask() for _ in range(ASKED)]
    counts = await world.counts()
    assert counts["requests"] == ASKED
    assert set(counts["met"]) == {"status 429", "answer lost", "refused"}
    assert counts["met"]["status 429"] == seen.count(429)
    assert counts["met"]["answer lost"] + counts["met"]["refused"] == seen.count(None)
    assert len(world.acted) == seen.count(200) + counts["met"]["answer lost"]


async def test_a_fault_by_number_is_met_as_often_and_counted(world: World) -> None:
    await world.add(skip=1, times=2, status=500)
    assert [await world.ask() for _ in range(4)] == [200, 500, 500, 200]
    assert await world.counts() == {"requests": 4, "met": {"status 500": 2}}


@pytest.mark.parametrize(
    "wrong", [{"share": 0}, {"share": 1.1}, {"share": 0.1, "times": 2}, {"share": 0.1, "skip": 1}, {"seed": 1}]
)
def test_a_fault_is_met_by_number_or_by_chance(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate({"match": "x", "status": 500, **wrong})
