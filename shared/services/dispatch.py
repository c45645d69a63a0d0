"""The timer's work: plan the coming seconds of what is due, at the pace that the quotas carry."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil

from shared.domain.connection import LONGEST_RUN
from shared.domain.due import RESEND_AFTER
from shared.domain.measures import Metric
from shared.domain.quota import PERIOD, TENANT_WRITES_A_SECOND, VAULT_CALLS_A_SECOND, VERSIONS_A_SECOND, Lane, Plan
from shared.services.ports import Clock, DueRow, DueTable, Release, Telemetry, Work, WorkQueue
from shared.services.rows import Rows
from shared.services.telemetry import NoTelemetry

log = logging.getLogger(__name__)

SECOND = timedelta(seconds=1)
SECONDS = PERIOD // SECOND

SKEW = timedelta(seconds=0.5)
"""A look at what is not yet due is put off by this: a worker's clock may be behind the timer's."""

NEAREST = timedelta(seconds=0.5)
"""The queue hides for whole seconds, rounded up. What is due already is asked for half a second sooner, and so comes in
the nearest: rounded up, the last second of one plan and the first of the next could meet."""

READ = {
    Lane.VERSIONS: (5 * VERSIONS_A_SECOND * SECONDS, VERSIONS_A_SECOND * SECONDS),
    Lane.WRITES: (5 * TENANT_WRITES_A_SECOND * SECONDS, TENANT_WRITES_A_SECOND * SECONDS),
    Lane.REST: (VAULT_CALLS_A_SECOND * SECONDS, VAULT_CALLS_A_SECOND * SECONDS),
}
"""By lane, how many due rows a tick reads at most, and how many of one tenant: as many as it could release."""


class Dispatch:
    """Reads due rows and decides which connections to look at in the coming seconds.

    Rotations come first, so that they go on while a tenant's Graph writes are short; the pace of new secret versions
    leaves the rest of the writes to what removes passwords. What finds no room stays due for the next tick.
    """

    def __init__(
        self, *, rows: Rows, due: DueTable, queue: WorkQueue, clock: Clock, telemetry: Telemetry | None = None
    ) -> None:
        self._rows = rows
        self._due = due
        self._queue = queue
        self._clock = clock
        self._telemetry = telemetry or NoTelemetry()

    async def tick(self) -> list[Release]:
        """Put on the queue what the coming seconds carry, and tell it. A lost message is sent again, `RESEND_AFTER`.

        Ticks may come late, twice or at once: one that finds a quota short notes until when it has given it away, and
        no other plans before that. Of two that would note it at once, one releases nothing.
        """
        now = self._clock()
        pace = await self._due.pace()
        start = max(now, pace.until or now)
        plan = Plan(seconds=ceil((now + PERIOD - start) / SECOND))
        waiting: list[DueRow] = []
        placed: list[tuple[DueRow, datetime]] = []
        for lane, (limit, each) in READ.items():
            found = [row async for row in self._due.due(now + PERIOD, lane=lane, limit=limit, each=each)]
            rows = [row for row in found if not await self._dropped(row, now)]
            waiting += rows
            for row in fairly(rows):
                ready = row.hint.at + SKEW if row.hint.at > now else now
                second = plan.place(row.cost, earliest=max(ready - start, timedelta()) // SECOND)
                if second is not None:
                    placed.append((row, max(ready, start + second * SECOND - NEAREST)))
        if plan.taken and not await self._due.set_pace(pace, start + plan.taken * SECOND):
            log.info("work.tick-overtaken")
            placed.clear()
        await self._due.mark_sent([row for row, _ in placed], resend_after=now + RESEND_AFTER)
        # A connection may have a stale hint beside the one in force. What writes versions is sent first, at one go: the
        # seconds for which a message is hidden begin when it is sent.
        works = {Work(row.org_id, row.connection_id): at for row, at in reversed(placed)}
        releases = [Release(work, at) for work, at in reversed(works.items())]
        await self._queue.send(releases)
        self._tell(len(placed), waiting, now)
        return releases

    def _tell(self, sent: int, waiting: Sequence[DueRow], now: datetime) -> None:
        self._telemetry.count(Metric.TICKS)
        oldest = min((row.hint.at for row in waiting if row.hint.at <= now), default=now)
        self._telemetry.gauge(Metric.OLDEST_DUE_AGE, (now - oldest).total_seconds())
        if sent:
            log.info("work.dispatched count=%d left=%d oldestDueAt=%s", sent, len(waiting) - sent, oldest)

    async def _dropped(self, due: DueRow, now: datetime) -> bool:
        """Remove a hint that no row needs. Asked only of one sent in vain whose writer must be gone."""
        if not due.sent or now - due.written_at < LONGEST_RUN:
            return False
        stored = await self._rows.read(due.org_id, due.connection_id)
        if stored is not None and stored.row.due == due.hint:
            return False
        await self._due.remove(due.org_id, due.connection_id, due.hint)
        return True


def fairly(rows: Sequence[DueRow]) -> list[DueRow]:
    """In turns: the oldest of each tenant, then the second of each, and so on."""
    turns: Counter[str] = Counter()

    def turn(row: DueRow) -> int:
        turns[row.cost.tenant_id] += 1
        return turns[row.cost.tenant_id]

    return sorted(sorted(rows, key=lambda row: row.hint.at), key=turn)
