"""A list of 100 connections: our function against one table page, among 100, 1,000 and 10,000 connections."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bench.hosts import Hosts
from bench.measure import Measure, Repeat, compared
from bench.timing import timed
from bench.world import BenchError, World, org_of
from local import bulk
from local.client import KEY_VAULT
from shared.adapters.tables import connection_entities, keys
from shared.domain import creation
from shared.domain.connection import Lifecycle
from shared.domain.creation import NewConnection
from shared.domain.credential import Method
from shared.domain.model import to_utc_millis

SIZES = (100, 1_000, 10_000)
LIMIT = 100
REPEATS = 5
CALLS = 40


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """Call by call, the product's turn and the floor's, in an organisation of each size."""
    hosts, floor = await Hosts.started(world), await world.floor()
    path = f"{KEY_VAULT}?limit={LIMIT}"
    clients = {size: await world.client() for size in world.few_of(SIZES)}
    for size, client in clients.items():
        await seed_connections(world, org_of(client), size)
    for number in range(world.few(REPEATS, 2) + 1):
        figures: dict[str, float] = {}
        for size, client in clients.items():
            table, org = floor.table(keys.CONNECTIONS), org_of(client)

            ours = world.prepared("connections_list", client, params={"limit": str(LIMIT)})
            if (await ours()).count(b'"credentialsHash"') != LIMIT:
                raise BenchError(f"the list is not of {LIMIT}")

            inner, outer = (list[float](), list[float]()), (list[float](), list[float]())
            for _ in range(world.few(CALLS, 10)):
                inner[0].extend(await timed([ours]))
                inner[1].extend(await timed([partial(floor.page, table, org)]))
                outer[0].extend(await timed([partial(hosts.product, client, "GET", path)]))
                outer[1].extend(await timed([partial(hosts.floor, "GET", f"list?org={org}")]))
            figures |= compared(*inner, label=f"among {size:,}")
            figures |= compared(*outer, label=f"among {size:,}, over HTTP")
        if number:  # the first round warms up
            yield Repeat(max(figures[f"p50 ÷ floor, among {size:,}"] for size in clients), figures)


async def seed_connections(world: World, org: str, count: int) -> None:
    """Connections as the product's own adapter would write what a list reads of them."""
    now = to_utc_millis(datetime.now(UTC))
    entities: list[dict[str, Any]] = []
    for number in range(count):
        new = NewConnection(name=f"connection-{number:05d}", method=Method.OAUTH)
        row = creation.reserved(
            new, org_id=org, connection_id=str(uuid.uuid4()), project=None, salt=uuid.uuid4().hex, now=now
        ).having(lifecycle=Lifecycle.ACTIVE)
        entities += connection_entities.index(row).values()
    await bulk.create(world.stack.storage, keys.CONNECTIONS, entities)


MEASURE = Measure(
    name="list of 100",
    how="p50 of our function ÷ one table page, in one process without a host; among 100, 1,000 and 10,000 connections",
    limit=1.5,
    unit="ratio",
    repeats=repeats,
)
