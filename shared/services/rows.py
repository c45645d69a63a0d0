"""Reading and writing rows so that what is owed is never lost.

The due row is written before the connection row that needs it and removed only once no row needs it: a crash in between
leaves a stale hint, which the timer drops, never a lost action.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable

from shared.domain.connection import DueHint, Lifecycle, Row
from shared.domain.due import plan_hint
from shared.domain.errors import ConcurrentChange, NameTaken, NotFound, UpstreamError
from shared.domain.events import waiting, with_events
from shared.services import outcomes
from shared.services.ports import Clock, ConnectionTable, DueTable, Stored, Telemetry
from shared.services.telemetry import NoTelemetry

log = logging.getLogger(__name__)

MAX_REAPPLIES = 8


class Rows:
    """The connection rows together with their due rows."""

    def __init__(
        self,
        *,
        connections: ConnectionTable,
        due: DueTable,
        clock: Clock,
        telemetry: Telemetry | None = None,
        events: bool = False,
    ) -> None:
        self._connections = connections
        self._due = due
        self._clock = clock
        self._telemetry = telemetry or NoTelemetry()
        self._events = events  # nobody is told where no topic is configured
        self._watchers: list[Callable[[Row], None]] = []

    def watch(self, noted: Callable[[Row], None]) -> None:
        """Have `noted` called with each row that this process has written."""
        self._watchers.append(noted)

    async def read(self, org_id: str, connection_id: str) -> Stored | None:
        """The row, whatever its lifecycle, or None."""
        return await self._connections.get(org_id, connection_id)

    async def active(self, org_id: str, connection_id: str) -> Row:
        """The row of a connection that exists for callers. Raises `NotFound`."""
        stored = await self.read(org_id, connection_id)
        if stored is None or stored.row.lifecycle is not Lifecycle.ACTIVE:
            raise not_found(connection_id)
        return stored.row

    async def insert(self, row: Row) -> Stored:
        """Write a new row. Raises `NameTaken`, `ConcurrentChange` when the id exists, `NotFound` without project."""
        row = await self._prepared(row, None)
        try:
            stored = await self._connections.insert(row)
        except UpstreamError:
            raise  # it may have been written after all: the hint stays
        except Exception:  # refused for certain, so the hint serves nothing; then the refusal goes on
            await self._forget(row, row.due)
            raise
        self._tell(None, stored.row)
        return stored

    async def save(self, before: Stored, after: Row) -> Stored:
        """Write `after` if nobody wrote since `before`. Raises `ConcurrentChange`, or `NameTaken` on a new name."""
        after = await self._prepared(after, before.row)
        try:
            stored = await self._connections.replace(before, after)
        except (ConcurrentChange, NameTaken):
            if after.due != before.row.due:
                await self._forget(after, after.due)
            raise
        self._tell(before.row, stored.row)
        if before.row.due != after.due:
            await self._forget(before.row, before.row.due)
        return stored

    async def change(self, org_id: str, connection_id: str, edit: Callable[[Row], Row]) -> Row | None:
        """Apply `edit` to the newest row, again while others write in between. None when there is no row.

        An `edit` that returns the row it was given writes nothing.
        """
        changed = await self._apply(org_id, connection_id, edit, None)
        return None if changed is None else changed.row

    async def change_from(self, known: Stored, edit: Callable[[Row], Row]) -> Stored | None:
        """The same, beginning with a row that was read or written before: it is read again only if others wrote."""
        return await self._apply(known.row.org_id, known.row.id, edit, known)

    async def _apply(
        self, org_id: str, connection_id: str, edit: Callable[[Row], Row], known: Stored | None
    ) -> Stored | None:
        for attempt in range(MAX_REAPPLIES):
            stored = known or await self.read(org_id, connection_id)
            known = None
            if stored is None:
                return None
            after = edit(stored.row)
            if after is stored.row:
                return stored
            try:
                return await self.save(stored, after)
            except ConcurrentChange:
                if attempt == MAX_REAPPLIES - 1:
                    raise
        raise AssertionError("unreachable")

    async def remove(self, before: Stored) -> None:
        """Remove the row for good if nobody wrote since. Raises `ConcurrentChange`."""
        await self._connections.remove(before)
        await self._forget(before.row, before.row.due)

    def _tell(self, before: Row | None, after: Row) -> None:
        outcomes.tell(before, after, self._telemetry)
        for noted in self._watchers:
            noted(after)

    async def _prepared(self, row: Row, before: Row | None) -> Row:
        if self._events:
            told = with_events(before, row, self._clock())
            if lost := len({entry.id for entry in waiting(row)} - {entry.id for entry in waiting(told)}):
                log.error("events.dropped orgId=%s connectionId=%s count=%d", row.org_id, row.id, lost)
            row = told
        present = before.due if before else None
        write_id = uuid.uuid4().hex
        hint = plan_hint(row.having(due=present), self._clock(), nonce=write_id[:12])
        if hint is not None and hint != present:
            await self._due.put(row.org_id, row.id, hint)
        return row.having(write_id=write_id, due=hint)

    async def _forget(self, row: Row, hint: DueHint | None) -> None:
        if hint is None:
            return
        try:
            await self._due.remove(row.org_id, row.id, hint)
        except UpstreamError as fault:
            log.warning("due.hint-left connectionId=%s reason=%s", row.id, fault.service)


def not_found(connection_id: str) -> NotFound:
    """What a caller is told of a connection that does not exist for them."""
    return NotFound(f"Could not find App Connection with ID {connection_id}")
