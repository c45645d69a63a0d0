"""Doing what a row owes: one owed thing and one guarded row write at a time, until nothing is owed now.

Reads the row, never the message, so it may be called late, twice, or by two workers at once: whoever writes
second meets `ConcurrentChange` and reads again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta

from shared.domain import rotation
from shared.domain.connection import Health, Hold, Row
from shared.domain.errors import ConcurrentChange, UpstreamError
from shared.domain.measures import Metric
from shared.domain.owed import MAX_TRIES, Action, first_due
from shared.domain.schedule import IntervalUnit
from shared.services.ports import Clock, Stored, Telemetry
from shared.services.rows import Rows
from shared.services.telemetry import NoTelemetry

log = logging.getLogger(__name__)

Step = Callable[[Stored], Awaitable[Stored | None]]
"""Does one owed thing and writes the row; the row as written, or None where it must be read again.

May raise `ConcurrentChange` or `UpstreamError`.
"""

MAX_STEPS = 20
"""More than any row can owe in a row: a loop of steps is a defect, and the queue's poison handling is its end."""

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)


WHILE_SOMEBODY_WAITS = tuple(action for action in Action if action is not Action.PUBLISH)
"""What may be done before a request is answered: nobody waits for a topic."""


class Advance:
    """`await advance(org_id, connection_id)`: bring one connection up to date."""

    def __init__(
        self,
        *,
        rows: Rows,
        steps: Mapping[Action, Step],
        clock: Clock,
        unit: IntervalUnit,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._rows = rows
        self._steps = steps
        self._clock = clock
        self._unit = unit
        self._telemetry = telemetry or NoTelemetry()

    async def __call__(self, org_id: str, connection_id: str, *, only: Collection[Action] = tuple(Action)) -> None:
        """Do all that is owed by now; with `only`, as long as one of those actions comes first.

        Raises `UpstreamError` only when the row itself cannot be read or written.
        """
        with self._telemetry.span("work", connectionId=connection_id):
            await self._all(org_id, connection_id, only)

    async def _all(self, org_id: str, connection_id: str, only: Collection[Action]) -> None:
        written: Stored | None = None
        for _ in range(MAX_STEPS):
            stored, written = written or await self._rows.read(org_id, connection_id), None
            owed = first_due(stored.row, self._clock()) if stored else None
            if stored is None or owed is None or owed.action not in only:
                return
            try:
                with self._telemetry.span(f"work.{owed.action}", connectionId=connection_id):
                    written = await self._steps[owed.action](stored)
            except ConcurrentChange:
                continue
            except UpstreamError as fault:
                await self._pause(stored.row, owed.action, fault)
            except Exception:
                await self._give_back(stored.row, owed.action)
                raise
        raise RuntimeError(f"connection {connection_id} still owes something after {MAX_STEPS} steps")

    async def _pause(self, row: Row, action: Action, fault: UpstreamError) -> None:
        """A passing fault: note it in the row and come back later, or give a rotation up until its next date."""
        now = self._clock()
        log.warning("work.paused connectionId=%s action=%s reason=%s", row.id, action, fault.message)

        def hold(row: Row) -> Row:
            tries = row.holds[action].tries + 1 if action in row.holds else 1
            if row.run is not None and action is Action.ROTATE and tries >= MAX_TRIES:
                return rotation.failed(row, fault.message, state=Health.DEGRADED, now=now, unit=self._unit)
            pause = max(timedelta(seconds=fault.retry_after or 0), pause_after(tries))
            until = now + min(pause, LONGEST_PAUSE)
            return row.having(holds={**row.holds, action: Hold(until=until, tries=tries, reason=fault.message)})

        await self._rows.change(row.org_id, row.id, hold)

    async def _give_back(self, row: Row, action: Action) -> None:
        """A defect of ours: end the lease of the try, or the queue would take the retried message for done."""
        now = self._clock()

        def free(row: Row) -> Row:
            hold = row.holds.get(action)
            return (
                row if hold is None else row.having(holds={**row.holds, action: hold.model_copy(update={"until": now})})
            )

        await self._rows.change(row.org_id, row.id, free)

    async def record_poison(self, org_id: str, connection_id: str) -> None:
        """The work on this connection failed again and again for no known reason: say so on the row, try in an hour."""
        now = self._clock()
        self._telemetry.count(Metric.POISONED, queue="work")
        log.error("work.poisoned orgId=%s connectionId=%s", org_id, connection_id)
        await self._rows.change(org_id, connection_id, lambda row: self._poisoned(row, now))

    def _poisoned(self, row: Row, now: datetime) -> Row:
        """All work waits an hour. A run that was poisoned before is given up: what stops it does not pass."""
        message = "The service failed to work on this connection several times; it tries again within the hour"
        shown = row.connection.rotation
        if row.run is not None and shown is not None:
            if shown.last_rotation_message == message:
                row = rotation.failed(row, message, state=Health.DEGRADED, now=now, unit=self._unit)
            else:
                row = row.rotating(last_rotation_message=message)
        hold = Hold(until=now + LONGEST_PAUSE, tries=0, reason=message)
        return row.having(holds=dict.fromkeys(Action, hold))


def pause_after(tries: int) -> timedelta:
    """30 s, 1 min, 2 min, 4 min … at most an hour."""
    doublings = min(max(tries - 1, 0), 10)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
