"""Table `due`: one hint per connection at its next action, so that the timer's cost follows what is due."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters.azure_errors import translated
from shared.adapters.tables import keys
from shared.adapters.tables.client import SERVICE
from shared.domain.connection import DueHint
from shared.services.ports import Clock, DueRow

MAX_BATCH = 100
"""Changes that one transaction carries."""


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

    async def due(self, now: datetime, *, limit: int) -> AsyncIterator[DueRow]:
        """See `DueTable`. Past hours hold only what is still owed, so the range is as long as the backlog."""
        found = 0
        with translated(SERVICE):
            entities = self._client.query_entities(
                "PartitionKey le @hour and readableFrom le @now",
                parameters={"hour": keys.hour(now), "now": now},
            )
            async for entity in entities:
                yield _due_row(entity)
                found += 1
                if found >= limit:
                    return

    async def mark_sent(self, rows: Sequence[DueRow], *, resend_after: datetime) -> None:
        """See `DueTable`."""
        for _, group in groupby(rows, key=lambda row: keys.hour(row.hint.at)):
            marks = [_sent_mark(row, resend_after) for row in group]
            for start in range(0, len(marks), MAX_BATCH):
                await self._mark(marks[start : start + MAX_BATCH])

    async def _mark(self, batch: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> None:
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


def _due_row(entity: Any) -> DueRow:
    return DueRow(
        org_id=entity["orgId"],
        connection_id=entity["connectionId"],
        hint=DueHint(at=entity["dueAt"], nonce=entity["nonce"]),
        sent=entity["sent"],
        written_at=entity["writtenAt"],
        etag=entity.metadata["etag"],
    )


def _sent_mark(row: DueRow, resend_after: datetime) -> tuple[str, dict[str, Any], dict[str, Any]]:
    partition, key = keys.due(row.org_id, row.connection_id, row.hint)
    entity = {"PartitionKey": partition, "RowKey": key, "readableFrom": resend_after, "sent": row.sent + 1}
    unchanged = {"etag": row.etag, "match_condition": MatchConditions.IfNotModified}
    return "update", entity, {"mode": UpdateMode.MERGE, **unchanged}
