"""The daily round: every row is looked at once, and what nothing else would ever notice is put right.

It goes page by page, each page a message of its own, so that a round is resumed where a process died.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from shared.domain.credential import Method
from shared.domain.errors import ConcurrentChange, UpstreamError
from shared.domain.owed import Action, first_due
from shared.domain.schedule import IntervalUnit
from shared.services.advance import Advance
from shared.services.ports import Clock, ConnectionTable, DueTable, FlowTable, Stored, Telemetry
from shared.services.revocation import Revocation
from shared.services.stock import Stock, is_overdue
from shared.services.telemetry import NoTelemetry

log = logging.getLogger(__name__)

PAGE = 50
GRACE = timedelta(days=1)
"""How long expired links stay, so that whoever opens one is told that it expired."""
MAX_EXPIRED = 1000
LONGEST_PAGE = timedelta(minutes=2)
"""A page that takes longer ends early, and the next one goes on from there: a function runs five minutes at most."""


class Round(Stock):
    """How far a round came, and what it found."""

    place: str | None = None
    """None at the beginning, and at the end with `done`."""
    done: bool = False
    rows: int = 0
    hints_restored: int = 0
    """Rows that owed something and that the timer would not have found."""
    advanced: int = 0
    """Rows that owed something by now."""
    passwords_removed: int = 0
    """App passwords with our names that no row knew."""
    flows_removed: int = 0
    """Expired connect links and attempts."""
    more_flows: bool = True
    """Whether there may be further ones: to look for them reads all their table, which a page does only then."""
    failed: int = 0
    """Rows that could not be looked at; the next round tries again."""


class Upkeep:
    """`await upkeep(round)`: one page further."""

    def __init__(
        self,
        *,
        connections: ConnectionTable,
        due: DueTable,
        flows: FlowTable,
        advance: Advance,
        revocation: Revocation,
        clock: Clock,
        unit: IntervalUnit,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._connections = connections
        self._due = due
        self._flows = flows
        self._advance = advance
        self._revocation = revocation
        self._clock = clock
        self._unit = unit
        self._telemetry = telemetry or NoTelemetry()

    async def __call__(self, so_far: Round) -> Round:
        """The round after one more page. A page done twice finds nothing the second time."""
        ends = self._clock() + LONGEST_PAGE
        so_far = await self._without_expired(so_far)
        rows, place = await self._connections.scan(after=so_far.place, limit=PAGE)
        found = so_far.model_copy(update={"place": place, "done": place is None})
        for number, stored in enumerate(rows, start=1):
            found = await self._looked_at(stored, found)
            if number < len(rows) and self._clock() >= ends:
                _, reached = await self._connections.scan(after=so_far.place, limit=number)
                found = found.model_copy(update={"place": reached or so_far.place, "done": False})
                break
        if found.done:
            found.tell(self._telemetry, self._clock())
        log.info("upkeep.page %s", found.model_dump_json())
        return found

    async def _without_expired(self, so_far: Round) -> Round:
        if not so_far.more_flows:
            return so_far
        expired = await self._flows.remove_expired(self._clock() - GRACE, limit=MAX_EXPIRED)
        changes = {"flows_removed": so_far.flows_removed + expired, "more_flows": expired == MAX_EXPIRED}
        return so_far.model_copy(update=changes)

    async def _looked_at(self, stored: Stored, so_far: Round) -> Round:
        now = self._clock()
        found = so_far.counted(stored.row, now, self._unit)
        if is_overdue(stored.row, now, self._unit):  # no metric carries an id
            log.warning("upkeep.rotation-overdue orgId=%s connectionId=%s", stored.row.org_id, stored.row.id)
        counts: dict[str, object] = {"rows": found.rows + 1}
        try:
            counts["hints_restored"] = found.hints_restored + await self._hint_restored(stored)
            counts["passwords_removed"] = found.passwords_removed + await self._strays_removed(stored)
            counts["advanced"] = found.advanced + await self._advanced(stored)
        except (UpstreamError, ConcurrentChange) as fault:  # somebody is working on it, or the next round will
            log.warning("upkeep.row-left connectionId=%s reason=%s", stored.row.id, fault.code)
            counts["failed"] = found.failed + 1
        except Exception:  # a defect met at one row keeps no other from being looked at
            log.exception("upkeep.row-left connectionId=%s", stored.row.id)
            counts["failed"] = found.failed + 1
        return found.model_copy(update=counts)

    async def _hint_restored(self, stored: Stored) -> bool:
        row = stored.row
        if row.due is None or await self._due.has(row.org_id, row.id, row.due):
            return False
        await self._due.put(row.org_id, row.id, row.due)
        return True

    async def _strays_removed(self, stored: Stored) -> int:
        row = stored.row
        managed = row.connection.method is Method.CLIENT_SECRET and row.attempts > 0
        pauses = [row.holds[each].until for each in (Action.REVOKE, Action.SWEEP_PASSWORDS) if each in row.holds]
        if any(self._clock() < until for until in pauses):
            return 0  # Graph asked for a pause, or does not answer
        return (await self._revocation.remove_strays(stored) or 0) if managed else 0

    async def _advanced(self, stored: Stored) -> bool:
        if first_due(stored.row, self._clock()) is None:
            return False
        await self._advance(stored.row.org_id, stored.row.id)
        return True
