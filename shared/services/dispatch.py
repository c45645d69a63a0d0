"""The timer's work: put what is due on the queue, at the pace that the quotas carry."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from shared.domain.connection import LONGEST_RUN
from shared.domain.measures import Metric
from shared.domain.owed import RESEND_AFTER
from shared.services.ports import Clock, DueRow, DueTable, Telemetry
from shared.services.rows import Rows
from shared.services.telemetry import NoTelemetry

log = logging.getLogger(__name__)

PER_TICK = 25 * 60
"""One credential vault carries 300 new versions per 10 s; 25 a second for a tick of a minute leaves callers room."""


@dataclass(frozen=True, slots=True)
class Work:
    """One message: which connection to look at. It says nothing of what to do; the row does."""

    org_id: str
    connection_id: str


class Dispatch:
    """Reads due rows and decides which connections to look at now."""

    def __init__(
        self, *, rows: Rows, due: DueTable, clock: Clock, limit: int = PER_TICK, telemetry: Telemetry | None = None
    ) -> None:
        self._rows = rows
        self._due = due
        self._clock = clock
        self._limit = limit
        self._telemetry = telemetry or NoTelemetry()

    async def tick(self) -> list[Work]:
        """The connections to put on the queue. A lost message is sent again after `RESEND_AFTER`."""
        now = self._clock()
        wanted = [row async for row in self._due.due(now, limit=self._limit) if not await self._dropped(row, now)]
        await self._due.mark_sent(wanted, resend_after=now + RESEND_AFTER)
        self._telemetry.count(Metric.TICKS)
        oldest = min((row.hint.at for row in wanted), default=now)
        self._telemetry.gauge(Metric.OLDEST_DUE_AGE, (now - oldest).total_seconds())
        if wanted:
            log.info("work.dispatched count=%d oldestDueAt=%s", len(wanted), oldest)
        return list(dict.fromkeys(Work(row.org_id, row.connection_id) for row in wanted))

    async def _dropped(self, due: DueRow, now: datetime) -> bool:
        """Remove a hint that no row needs. Asked only of one sent in vain whose writer must be gone."""
        if not due.sent or now - due.written_at < LONGEST_RUN:
            return False
        stored = await self._rows.read(due.org_id, due.connection_id)
        if stored is not None and stored.row.due == due.hint:
            return False
        await self._due.remove(due.org_id, due.connection_id, due.hint)
        return True
