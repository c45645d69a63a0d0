"""Append-only tables that outbox entries are delivered to, newest first."""

from __future__ import annotations

import json
from collections.abc import Sequence

from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters.azure_errors import translated
from shared.adapters.tables import keys
from shared.adapters.tables.client import SERVICE
from shared.domain.connection import OutboxEntry, Row


class AzureRecords:
    """`Records` on Azure Table Storage. An upsert under a fixed key makes delivering twice harmless."""

    def __init__(self, rotations: TableClient) -> None:
        self._rotations = rotations

    async def deliver(self, row: Row, entries: Sequence[OutboxEntry]) -> None:
        """See `Records`."""
        for entry in entries:
            entity = {
                "PartitionKey": f"{keys.safe(row.org_id)}!{keys.safe(row.id)}",
                "RowKey": keys.newest_first(entry.at, entry.id),
                "record": json.dumps(entry.body),
            }
            with translated(SERVICE):
                await self._rotations.upsert_entity(entity, mode=UpdateMode.REPLACE)
