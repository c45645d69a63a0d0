"""Table `due` in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count

from shared.domain.connection import DueHint
from shared.domain.quota import Lane
from shared.services.ports import Clock, DueRow, Pace
from tests.fakes.faults import Faults

Key = tuple[datetime, str, str, str]


class FakeDueTable:
    """`DueTable` in memory."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self._faults = faults
        self._rows: dict[Key, tuple[DueRow, datetime]] = {}
        self._etags = count()
        self._pace = Pace(until=None, etag=None)

    def all(self) -> list[DueRow]:
        """Every hint, soonest first, past the faults."""
        return [row for _, (row, _) in sorted(self._rows.items())]

    def hints(self, connection_id: str) -> list[DueRow]:
        """The hints of one connection, soonest first, past the faults."""
        return [row for row in self.all() if row.connection_id == connection_id]

    def readable_from(self, otherwise: datetime) -> datetime:
        """When the first hint can be read, past the faults."""
        return min((moment for _, moment in self._rows.values()), default=otherwise)

    async def put(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """See `DueTable`."""
        async with self._faults.call("due.put"):
            row = DueRow(org_id, connection_id, hint, sent=0, written_at=self._clock(), etag=self._etag())
            self._rows[_key(org_id, connection_id, hint)] = (row, hint.at)

    async def has(self, org_id: str, connection_id: str, hint: DueHint) -> bool:
        """See `DueTable`."""
        async with self._faults.call("due.has"):
            return _key(org_id, connection_id, hint) in self._rows

    async def remove(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """See `DueTable`."""
        async with self._faults.call("due.remove"):
            self._rows.pop(_key(org_id, connection_id, hint), None)

    async def due(self, now: datetime, *, lane: Lane, limit: int, each: int) -> AsyncIterator[DueRow]:
        """See `DueTable`."""
        async with self._faults.call("due.due"):
            found = sorted((key, row) for key, (row, readable_from) in self._rows.items() if readable_from <= now)
        tenants: Counter[str] = Counter()
        for _, row in found:
            tenant = row.cost.tenant_id if lane is not Lane.REST else ""
            if (row.hint.cost.lane if row.hint.cost else Lane.REST) is not lane or tenants[tenant] == each:
                continue
            tenants[tenant] += 1
            yield row
            if tenants.total() == limit:
                return

    async def mark_sent(self, rows: Sequence[DueRow], *, resend_after: datetime) -> None:
        """See `DueTable`."""
        async with self._faults.call("due.mark_sent"):
            for row in rows:
                key = _key(row.org_id, row.connection_id, row.hint)
                present = self._rows.get(key)
                if present is not None and present[0].etag == row.etag:
                    self._rows[key] = (replace(row, sent=row.sent + 1, etag=self._etag()), resend_after)

    async def pace(self) -> Pace:
        """See `DueTable`."""
        async with self._faults.call("due.pace"):
            return self._pace

    async def set_pace(self, before: Pace, until: datetime) -> bool:
        """See `DueTable`."""
        async with self._faults.call("due.set_pace"):
            if before != self._pace:
                return False
            self._pace = Pace(until, self._etag())
            return True

    def _etag(self) -> str:
        return f'W/"{next(self._etags)}"'


def _key(org_id: str, connection_id: str, hint: DueHint) -> Key:
    return hint.at.replace(microsecond=0), org_id, connection_id, hint.nonce
