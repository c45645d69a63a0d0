"""Table `rotations`: the finished rotation runs of each connection, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from azure.data.tables.aio import TableClient

from shared.adapters.tables import journal, keys
from shared.domain.connection import OutboxEntry
from shared.services.ports import RecordPage

BEGINNING, END = "0", "9~"
"""Before and after every place."""


class AzureRotationHistory:
    """`RotationHistory` on Azure Table Storage: a partition per connection."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def add(self, org_id: str, connection_id: str, entries: Sequence[OutboxEntry]) -> None:
        """See `RotationHistory`."""
        partition = keys.history(org_id, connection_id)
        await journal.write(
            self._client, [journal.entity(partition, entry.at, entry.id, entry.body) for entry in entries]
        )

    async def page(self, org_id: str, connection_id: str, *, after: str | None, limit: int) -> RecordPage:
        """See `RotationHistory`. Raises `ValueError` for an `after` that is no place in such a list."""
        place = BEGINNING if after is None else keys.safe_place(after)
        partition = keys.history(org_id, connection_id)
        found = await journal.read(self._client, partition, after=place, before=END, most=limit + 1)
        following = found[limit - 1].place if len(found) > limit else None
        return RecordPage([kept.record for kept in found[:limit]], following)
