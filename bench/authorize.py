"""Authorize: our function against one table insert, both inside this process; and both over HTTP beside it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from functools import partial
from uuid import uuid4

from bench import examples
from bench.hosts import Hosts
from bench.measure import Measure, Repeat, compared
from bench.timing import timed
from bench.world import World
from local.client import KEY_VAULT
from local.entra import seed

REPEATS = 7
CALLS = 150


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """Call by call, the product's turn and the floor's."""
    hosts, client, floor = await Hosts.started(world), await world.client(), await world.floor()
    link = await examples.link(world, client)
    names = (f"link-{number}" for number in itertools.count())

    def wish() -> dict[str, object]:
        return {"name": next(names), "method": "oauth", "credentials": {"tenantId": seed.CONTOSO_TENANT_ID}}

    async def inside(calls: int) -> tuple[list[float], list[float]]:
        product, bare = list[float](), list[float]()
        for _ in range(calls):
            product += await timed([world.prepared("oauth_authorize", client, body=wish())])
            bare += await timed([lambda: floor.put(str(uuid4()), "link", link)])
        return product, bare

    async def over_http(calls: int) -> tuple[list[float], list[float]]:
        product, bare = list[float](), list[float]()
        path = f"{KEY_VAULT}/oauth/authorize"
        for _ in range(calls):
            product += await timed([partial(hosts.product, client, "POST", path, wish())])
            bare += await timed([lambda: hosts.floor("POST", "authorize", {"key": str(uuid4())})])
        return product, bare

    await inside(20)
    await over_http(20)
    for _ in range(world.few(REPEATS, 3)):
        inner = compared(*await inside(world.few(CALLS, 40)))
        outer = compared(*await over_http(world.few(CALLS, 40)), label="over HTTP")
        yield Repeat(inner["p50 ÷ floor"], inner | outer)


MEASURE = Measure(
    name="authorize",
    how="p50 of our function ÷ 1 table insert, in one process without a host",
    limit=2.0,
    unit="ratio",
    repeats=repeats,
)
