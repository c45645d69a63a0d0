"""Table `due`: one hint per connection at its next action, so that the timer's cost follows what is due."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters.azure_errors import translated
from shared.adapters.tables import keys
from shared.adapters.tables.client import SERVICE
from shared.domain.connection import DueHint
from shared.domain.quota import Cost, Lane
from shared.services.ports import Clock, DueRow, Pace

MAX_BATCH = 100
"""Changes that one transaction carries."""

MAX_PAGE = 1000
"""Rows that one answer carries."""

MAX_PASSED = 10
"""Tenants that one reading of a lane steps over; a filter may have 15 comparisons in all
(https://learn.microsoft.com/rest/api/storageservices/querying-tables-and-entities)."""

AT_ONCE = 8
"""Transactions on their way at a time."""

Mark = tuple[str, dict[str, Any], dict[str, Any]]
"""One change of a transaction, as the client takes it."""


class AzureDueTable:
    """`DueTable` on Azure Table Storage."""

    def __init__(self, client: TableClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def put(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """See `DueTable`."""
        partition, row = keys.due(org_id, connection_id, hint)
        entity = {
            "PartitionKey": partition,
            "RowKey": row,
            "orgId": org_id,
            "connectionId": connection_id,
            "dueAt": hint.at,
            "nonce": hint.nonce,
            "cost": hint.cost.model_dump_json() if hint.cost else "",
            "payer": hint.cost.tenant_id if hint.cost else "",
            "readableFrom": hint.at,
            "writtenAt": self._clock(),
            "sent": 0,
        }
        with translated(SERVICE):
            await self._client.upsert_entity(entity, mode=UpdateMode.REPLACE)

    async def has(self, org_id: str, connection_id: str, hint: DueHint) -> bool:
        """See `DueTable`."""
        with translated(SERVICE):
            try:
                await self._client.get_entity(*keys.due(org_id, connection_id, hint), select=["nonce"])
            except ResourceNotFoundError:
                return False
        return True

    async def remove(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """See `DueTable`."""
        partition, row = keys.due(org_id, connection_id, hint)
        with translated(SERVICE):
            await self._client.delete_entity(partition, row)

    async def due(self, now: datetime, *, lane: Lane, limit: int, each: int) -> AsyncIterator[DueRow]:
        """See `DueTable`.

        Past minutes hold only what is still owed, so the range is as long as the backlog. A tenant that has had `each`
        is stepped over: by key in the minute at hand, which the service reads nothing of, and by its name after that.
        """
        found: Counter[str] = Counter()
        passed: list[str] = []
        first, last = keys.due_minutes(lane, now)
        later, rest = (
            "PartitionKey gt @minute and PartitionKey le @last",
            "PartitionKey eq @minute and RowKey ge @beyond",
        )
        ranges: list[tuple[str, dict[str, Any]]] = [(later, {"minute": first, "last": last})]
        while ranges:
            where, values = ranges.pop()
            async with aclosing(self._readable(where, values, passed, now, limit)) as entities:
                async for entity in entities:
                    row = _due_row(entity)
                    tenant = row.cost.tenant_id if lane is not Lane.REST else ""
                    if found[tenant] < each:
                        found[tenant] += 1
                        yield row
                        if found.total() == limit:
                            return
                        continue
                    passed.append(tenant)
                    if lane is Lane.REST or len(passed) > MAX_PASSED:
                        return
                    minute = entity["PartitionKey"]
                    if where == later:
                        ranges.append((later, {"minute": minute, "last": last}))
                    ranges.append((rest, {"minute": minute, "beyond": keys.after_payer(row.cost)}))
                    break

    async def _readable(
        self, where: str, values: dict[str, Any], passed: Sequence[str], now: datetime, limit: int
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        others = "".join(f" and payer ne @passed{number}" for number in range(len(passed)))
        names = {f"passed{number}": tenant for number, tenant in enumerate(passed)}
        with translated(SERVICE):
            async for entity in self._client.query_entities(
                f"{where} and readableFrom le @now{others}",
                parameters={**values, **names, "now": now},
                results_per_page=min(limit + 1, MAX_PAGE),
            ):
                yield entity

    async def mark_sent(self, rows: Sequence[DueRow], *, resend_after: datetime) -> None:
        """See `DueTable`."""
        marks: dict[str, list[Mark]] = {}
        for row in rows:
            mark = _sent_mark(row, resend_after)
            marks.setdefault(mark[1]["PartitionKey"], []).append(mark)
        batches = [
            minute[start : start + MAX_BATCH] for minute in marks.values() for start in range(0, len(minute), MAX_BATCH)
        ]
        for start in range(0, len(batches), AT_ONCE):
            await asyncio.gather(*map(self._mark, batches[start : start + AT_ONCE]))

    async def _mark(self, batch: list[Mark]) -> None:
        """One transaction; a row that a worker removed meanwhile is left out and the rest tried again."""
        while batch:
            with translated(SERVICE):
                try:
                    await self._client.submit_transaction(batch)
                except TableTransactionError as error:
                    if error.status_code not in (404, 412):
                        raise
                    del batch[min(error.index, len(batch) - 1)]
                except ResourceNotFoundError:
                    return
                else:
                    return

    async def pace(self) -> Pace:
        """See `DueTable`."""
        with translated(SERVICE):
            try:
                entity = await self._client.get_entity(*keys.PACE)
            except ResourceNotFoundError:
                return Pace(until=None, etag=None)
        return Pace(until=entity["until"], etag=entity.metadata["etag"])

    async def set_pace(self, before: Pace, until: datetime) -> bool:
        """See `DueTable`. A write whose answer was lost counts as another's: the quotas are then left unspent."""
        partition, row = keys.PACE
        entity = {"PartitionKey": partition, "RowKey": row, "until": until}
        with translated(SERVICE):
            try:
                if before.etag is None:
                    await self._client.create_entity(entity)
                else:
                    await self._client.update_entity(
                        entity,
                        mode=UpdateMode.REPLACE,
                        etag=before.etag,
                        match_condition=MatchConditions.IfNotModified,
                    )
            except (ResourceExistsError, ResourceModifiedError):
                return False
        return True


def _due_row(entity: Any) -> DueRow:
    return DueRow(
        org_id=entity["orgId"],
        connection_id=entity["connectionId"],
        hint=DueHint(at=entity["dueAt"], nonce=entity["nonce"], cost=_cost(entity)),
        sent=entity["sent"],
        written_at=entity["writtenAt"],
        etag=entity.metadata["etag"],
    )


def _cost(entity: Any) -> Cost | None:
    """None in a row from before costs were written."""
    text = entity.get("cost")
    return Cost.model_validate_json(text) if text else None


def _sent_mark(row: DueRow, resend_after: datetime) -> Mark:
    partition, key = keys.due(row.org_id, row.connection_id, row.hint)
    entity = {"PartitionKey": partition, "RowKey": key, "readableFrom": resend_after, "sent": row.sent + 1}
    unchanged = {"etag": row.etag, "match_condition": MatchConditions.IfNotModified}
    return "update", entity, {"mode": UpdateMode.MERGE, **unchanged}
