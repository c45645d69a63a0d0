"""The timer's tick: what it costs in storage requests and rows read, however many connections there are."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from azure.data.tables.aio import TableServiceClient

from bench.measure import Measure, Repeat
from bench.world import BenchError, World
from local import bulk
from local.meter import Meter
from shared.adapters.tables import client, keys
from shared.adapters.tables.connections import AzureConnectionTable
from shared.adapters.tables.due import AzureDueTable
from shared.domain.connection import DueHint
from shared.domain.quota import PERIOD, Cost, Lane
from shared.services.dispatch import Dispatch
from shared.services.ports import Release
from shared.services.rows import Rows

SIZES = (1_000, 10_000, 100_000)
DUE = 100
REPEATS = 5
NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
HOURS_AHEAD = 24 * 30
"""Over which what is not yet due is spread, an hour for each hundred at the most."""
A_TRANSACTION = 100
TENANT = str(uuid4())


class Ticking:
    """The timer's work over tables of its own, with every storage request counted."""

    def __init__(self, connection_string: str, name: str) -> None:
        self.meter = Meter()
        self._storage, self._name = connection_string, name
        self._now = NOW
        options = {**client.OPTIONS, "read_timeout": 120.0, "raw_response_hook": self.meter}
        self._service = TableServiceClient.from_connection_string(connection_string, **options)
        self._due = AzureDueTable(self._service.get_table_client(name), self._clock)
        rows = Rows(
            connections=AzureConnectionTable(self._service.get_table_client(keys.CONNECTIONS)),
            due=self._due,
            clock=self._clock,
        )
        self._dispatch = Dispatch(rows=rows, due=self._due, queue=_Nowhere(), clock=self._clock)

    def _clock(self) -> datetime:
        return self._now

    async def open(self, parts: AsyncExitStack) -> None:
        """Make the table."""
        await parts.enter_async_context(self._service)
        await self._service.create_table(self._name)

    async def seed(self, connections: int, due: int = DUE) -> None:
        """One due row a connection: `due` of them now, the others in the hours to come."""
        hours = min(max(connections // A_TRANSACTION, 1), HOURS_AHEAD)
        for hour in range(hours):
            moment = NOW + timedelta(hours=1 + hour)
            entities = [due_entity(moment) for _ in range(hour, connections - due, hours)]
            await bulk.create(self._storage, self._name, entities)
        await self.seed_due(due)

    async def seed_due(self, due: int = DUE) -> None:
        """Rows that are due now."""
        moment = NOW - timedelta(seconds=1)
        await bulk.create(self._storage, self._name, [due_entity(moment) for _ in range(due)])

    async def tick(self, due: int = DUE) -> tuple[int, int, float]:
        """One tick, and its requests, rows read and seconds; what it dispatched is gone after, and so is its time."""
        self.meter.reset()
        began = time.perf_counter()
        work = await self._dispatch.tick()
        seconds = time.perf_counter() - began
        requests, rows = self.meter.requests, self.meter.rows
        if len(work) != due:
            raise BenchError(f"{len(work)} were dispatched of {due}")
        async for row in self._due.due(NOW + timedelta(minutes=10), lane=Lane.VERSIONS, limit=due, each=due):
            await self._due.remove(row.org_id, row.connection_id, row.hint)
        self._now += PERIOD
        return requests, rows, seconds


class _Nowhere:
    """A queue whose requests are not counted: they follow what is sent, and are the host's to receive."""

    async def send(self, releases: Sequence[Release]) -> None:
        """See `WorkQueue`."""


def due_entity(moment: datetime) -> Mapping[str, Any]:
    """A due row as the adapter writes it for the rotation of an app's password, in OData's words."""
    cost = Cost(tenant_id=TENANT, client_id=str(uuid4()), versions=1, vault_calls=2, graph_writes=1)
    org, connection, hint = "org-1", str(uuid4()), DueHint(at=moment, nonce=uuid4().hex[:12], cost=cost)
    partition, key = keys.due(org, connection, hint)
    at = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    times = dict.fromkeys(("dueAt", "readableFrom", "writtenAt"), at)
    types = {f"{name}@odata.type": "Edm.DateTime" for name in times}
    sent = {"sent": "0", "sent@odata.type": "Edm.Int32"}
    ids = {"orgId": org, "connectionId": connection, "nonce": hint.nonce, "cost": cost.model_dump_json()}
    return {"PartitionKey": partition, "RowKey": key, **ids, **times, **types, **sent}


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """A tick at each size, by turns."""
    storage = await world.scratch_storage()
    sizes = world.few_of(SIZES)
    async with AsyncExitStack() as parts:
        tables: dict[int, Ticking] = {}
        for size in sizes:
            tables[size] = Ticking(storage, f"due{size}")
            await tables[size].open(parts)
            await tables[size].seed(size)
        async with TableServiceClient.from_connection_string(storage) as service:
            await service.create_table_if_not_exists(keys.CONNECTIONS)
        for _ in range(world.few(REPEATS, 2)):
            figures: dict[str, float] = {}
            for size, table in tables.items():
                requests, rows, seconds = await table.tick()
                await table.seed_due()
                figures |= {
                    f"requests, among {size:,}": requests,
                    f"rows read, among {size:,}": rows,
                    f"emulator ms, among {size:,}": seconds * 1000,
                }
            yield Repeat(_ratio(figures, sizes), figures)


def _ratio(figures: Mapping[str, float], sizes: Sequence[int]) -> float:
    """The worse of the two: how many times more requests, or rows, the greatest size costs."""
    first, last = sizes[0], sizes[-1]
    return max(figures[f"{what}, among {last:,}"] / figures[f"{what}, among {first:,}"] for what in COUNTED)


COUNTED = ("requests", "rows read")

MEASURE = Measure(
    name="timer tick",
    how="storage requests and rows read, 100 due among 100,000 connections ÷ among 1,000",
    limit=1.05,
    unit="ratio",
    repeats=repeats,
)
