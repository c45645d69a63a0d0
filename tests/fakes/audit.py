"""The audit trail in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue

from shared.domain.audit import AuditLog
from shared.services.ports import RecordPage
from tests.fakes.faults import Faults
from tests.fakes.history import newest_first, page_of


class FakeAuditTrail:
    """`AuditTrail` in memory."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._logs: dict[str, dict[str, AuditLog]] = {}

    def lines(self, org_id: str) -> list[dict[str, JsonValue]]:
        """What was written for an organisation, newest first, past the faults."""
        return [log.model_dump(mode="json") for _, log in sorted(self._logs.get(org_id, {}).items())]

    async def add(self, org_id: str, logs: Sequence[AuditLog]) -> None:
        """See `AuditTrail`."""
        async with self._faults.call("audit.add"):
            self._logs.setdefault(org_id, {}).update({newest_first(log.at, log.id): log for log in logs})

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
        """See `AuditTrail`."""
        async with self._faults.call("audit.page"):
            shown = {
                place: log.model_dump(mode="json")
                for place, log in self._logs.get(org_id, {}).items()
                if since <= log.at < until and connection_id in (None, log.connection_id)
            }
            return page_of(shown, after=after, limit=limit)
