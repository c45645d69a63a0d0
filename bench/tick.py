"""The timer's tick: what it costs in storage requests and rows read, however many connections there are."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueClient

from bench.measure import Measure, Repeat
from bench.world import BenchError, World
from local import bulk
from local.meter import Meter
from shared.adapters import work_queue
from shared.adapters.tables import client, keys
from shared.adapters.tables.connections import AzureConnectionTable
from shared.adapters.tables.due import AzureDueTable
from shared.domain.connection import DueHint
from shared.domain.quota import PERIOD, Cost
from shared.services.dispatch import Dispatch
from shared.services.rows import Rows

SIZES = (1_000, 10_000, 100_000)
DUE = 100
REPEATS = 5
NOW = datetime(2030, 1, 1, 12, 30, 30, tzinfo=UTC)
"""In the middle of an hour and of a minute, in the rest of which others are due."""
HOURS_AHEAD = 24 * 30
"""Over which what is not yet due is spread, however much it is."""
TENANT = str(uuid4())


@dataclass(frozen=True, slots=True)
class Spent:
    """What a tick cost."""

    table_requests: int
    queue_requests: int
    rows_read: int
    """That came in answers."""
    rows_in_range: int
    """That the service went through."""
    seconds: float


class Ticking:
    """The timer's work over tables of its own, with every storage request counted."""

    def __init__(self, connection_string: str, name: str) -> None:
        self._tables, self._messages = Meter(), Meter()
        self._storage, self._name = connection_string, name
        self._now = NOW
        options = {**client.OPTIONS, "read_timeout": 120.0, "raw_response_hook": self._tables}
        self._service = TableServiceClient.from_connection_string(connection_string, **options)
        self._queue = QueueClient.from_connection_string(
            connection_string, name, **work_queue.OPTIONS, raw_response_hook=self._messages
        )
        due = AzureDueTable(self._service.get_table_client(name), self._clock)
        rows = Rows(
            connections=AzureConnectionTable(self._service.get_table_client(keys.CONNECTIONS)),
            due=due,
            clock=self._clock,
        )
        queue = work_queue.AzureWorkQueue(self._queue, self._clock)
        self._dispatch = Dispatch(rows=rows, due=due, queue=queue, clock=self._clock)

    def _clock(self) -> datetime:
        return self._now

    async def open(self, parts: AsyncExitStack) -> None:
        """Make the table and the queue."""
        await parts.enter_async_context(self._service)
        await parts.enter_async_context(self._queue)
        await self._service.create_table(self._name)
        await self._queue.create_queue()

    async def seed(self, connections: int, due: int = DUE) -> None:
        """One due row a connection: `due` of them now, the others evenly in the hours to come.

        What is due after this one stands under a minute of each day, where it is written quicker.
        """
        ahead = connections - due
        apart = timedelta(hours=HOURS_AHEAD) / ahead
        first = NOW + (REPEATS + 1) * PERIOD  # none comes due while ticks are measured
        rest_of_hour = int((NOW.replace(minute=0, second=0) + timedelta(hours=1) - first) / apart)
        for number in range(rest_of_hour):
            await self._write([due_entity(first + number * apart)])
        left = ahead - rest_of_hour
        days = HOURS_AHEAD // 24
        for day in range(days):
            moment = NOW + timedelta(days=day, hours=1)
            await self._write([due_entity(moment) for _ in range(day, left, days)])
        await self.seed_due(due)

    async def seed_due(self, due: int = DUE) -> None:
        """Rows that are due now, every other one of them of what spends nothing that is short."""
        moment = self._now - timedelta(seconds=1)
        await self._write([due_entity(moment) for _ in range(0, due, 2)])
        await self._write([due_entity(moment, spends=False) for _ in range(1, due, 2)])

    async def tick(self, due: int = DUE) -> Spent:
        """One tick; what it dispatched is gone after, and so is its time.

        Raises `BenchError` when it dispatched another number than `due`, or read connections.
        """
        self._tables.reset()
        self._messages.reset()
        began = time.perf_counter()
        work = await self._dispatch.tick()
        seconds = time.perf_counter() - began
        requests, rows, paths = self._tables.requests, self._tables.rows, self._tables.paths
        if len(work) != due:
            raise BenchError(f"{len(work)} were dispatched of {due}")
        if any(keys.CONNECTIONS in path for path in paths):
            raise BenchError("the tick read connections")
        spent = Spent(requests, self._messages.requests, rows, await self._tables.rows_in_range(self._service), seconds)
        table = self._service.get_table_client(self._name)
        async for entity in table.query_entities("sent ge 1", select=["PartitionKey", "RowKey"]):
            await table.delete_entity(entity["PartitionKey"], entity["RowKey"])
        self._now += PERIOD
        return spent

    async def _write(self, entities: Sequence[Mapping[str, Any]]) -> None:
        await bulk.create(self._storage, self._name, entities)


def due_entity(moment: datetime, *, spends: bool = True) -> Mapping[str, Any]:
    """A due row as the adapter writes it, in OData's words: of an app's password to be rotated, or of a mere look."""
    cost = Cost(vault_calls=1)
    if spends:
        cost = Cost(tenant_id=TENANT, client_id=str(uuid4()), versions=1, vault_calls=2, graph_writes=1)
    org, connection, hint = "org-1", str(uuid4()), DueHint(at=moment, nonce=uuid4().hex[:12], cost=cost)
    partition, key = keys.due(org, connection, hint)
    at = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    times = dict.fromkeys(("dueAt", "readableFrom", "writtenAt"), at)
    types = {f"{name}@odata.type": "Edm.DateTime" for name in times}
    sent = {"sent": "0", "sent@odata.type": "Edm.Int32"}
    ids = {"orgId": org, "connectionId": connection, "nonce": hint.nonce, "payer": cost.tenant_id}
    return {"PartitionKey": partition, "RowKey": key, **ids, "cost": cost.model_dump_json(), **times, **types, **sent}


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
                spent = await table.tick()
                await table.seed_due()
                figures |= {
                    f"table requests, among {size:,}": spent.table_requests,
                    f"queue requests, among {size:,}": spent.queue_requests,
                    f"rows read, among {size:,}": spent.rows_read,
                    f"rows in range, among {size:,}": spent.rows_in_range,
                    f"emulator ms, among {size:,}": spent.seconds * 1000,
                }
            yield Repeat(_ratio(figures, sizes), figures)


def _ratio(figures: Mapping[str, float], sizes: Sequence[int]) -> float:
    """The worst of them: how many times more requests, or rows, the greatest size costs."""
    first, last = sizes[0], sizes[-1]
    return max(figures[f"{what}, among {last:,}"] / figures[f"{what}, among {first:,}"] for what in COUNTED)


COUNTED = ("table requests", "queue requests", "rows read", "rows in range")

MEASURE = Measure(
    name="timer tick",
    how="storage requests and rows read and gone through, 100 due among 100,000 connections ÷ among 1,000",
    limit=1.05,
    unit="ratio",
    repeats=repeats,
)
