"""The append-only tables in memory."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from shared.domain.connection import OutboxEntry, Row
from tests.fakes.faults import Faults


class FakeRecords:
    """`Records` in memory."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._entries: dict[tuple[str, str], dict[str, OutboxEntry]] = {}

    def history(self, org_id: str, connection_id: str) -> list[dict[str, JsonValue]]:
        """What was delivered for one connection, newest first."""
        entries = self._entries.get((org_id, connection_id), {}).values()
        return [entry.body for entry in sorted(entries, key=lambda entry: (-entry.at.timestamp(), entry.id))]

    async def deliver(self, row: Row, entries: Sequence[OutboxEntry]) -> None:
        """See `Records`."""
        async with self._faults.call("records.deliver"):
            self._entries.setdefault((row.org_id, row.id), {}).update({entry.id: entry for entry in entries})
