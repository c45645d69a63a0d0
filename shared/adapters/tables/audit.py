"""Table `auditlogs`: each line twice, among its organisation's of the month and among its connection's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from azure.data.tables.aio import TableClient

from shared.adapters.tables import journal, keys
from shared.adapters.tables.journal import Kept
from shared.domain.audit import AuditLog
from shared.services.ports import RecordPage

MAX_MONTHS = 14
"""Partitions that one page reads: a year in any case, and an end to the search where nothing happened for long."""


class AzureAuditTrail:
    """`AuditTrail` on Azure Table Storage."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def add(self, org_id: str, logs: Sequence[AuditLog]) -> None:
        """See `AuditTrail`. Two partitions share no transaction: what a crash leaves, adding again completes."""
        await journal.write(self._client, [entity for log in logs for entity in _entities(org_id, log)])

    async def page(
        self,
        org_id: str,
        *,
        connection_id: str | None,
        since: datetime,
        until: datetime,
        after: str | None,
        limit: int,
    ) -> RecordPage:
        """See `AuditTrail`. Raises `ValueError` for an `after` that is no place in such a list.

        A place tells a time, never a partition: whatever it says, this organisation is read and no other.
        """
        place, end = keys.older_than(until), keys.older_than(since)
        if after is not None:
            place = max(place, keys.safe_place(after))
        if connection_id is not None:
            partition = keys.audit_connection(org_id, connection_id)
            return _page(await journal.read(self._client, partition, after=place, before=end, most=limit + 1), limit)
        found: list[Kept] = []
        for _ in range(MAX_MONTHS):
            if place >= end or len(found) > limit:
                return _page(found, limit)
            newest = keys.moment_at(place)
            partition, most = keys.audit_month(org_id, newest), limit + 1 - len(found)
            found += await journal.read(self._client, partition, after=place, before=end, most=most)
            place = keys.older_than(newest.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
        return _page(found, limit, following=place if place < end else None)


def _entities(org_id: str, log: AuditLog) -> list[dict[str, Any]]:
    partitions = [keys.audit_month(org_id, log.at)]
    if log.connection_id is not None:
        partitions.append(keys.audit_connection(org_id, log.connection_id))
    record = log.model_dump(mode="json")
    return [journal.entity(partition, log.at, log.id, record) for partition in partitions]


def _page(found: Sequence[Kept], limit: int, *, following: str | None = None) -> RecordPage:
    """The page, and its next one after `following` where that is known to be the place, or else where it is full."""
    following = found[limit - 1].place if len(found) > limit else following
    return RecordPage([kept.record for kept in found[:limit]], following)
