"""When to look at which connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.connection import DueHint


@dataclass(frozen=True, slots=True)
class DueRow:
    """A hint that a connection owes something since `hint.at`."""

    org_id: str
    connection_id: str
    hint: DueHint
    sent: int
    """How often it was put on the queue."""
    written_at: datetime
    etag: str


class DueTable(Protocol):
    """One hint per connection at its next action."""

    async def put(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """Write the hint; it is read from its time on."""

    async def has(self, org_id: str, connection_id: str, hint: DueHint) -> bool:
        """Whether the hint is there."""

    async def remove(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """Remove the hint; removing what is gone is done."""

    def due(self, now: datetime, *, limit: int) -> AsyncIterator[DueRow]:
        """Up to `limit` hints that are due and not lately sent, oldest hour first."""

    async def mark_sent(self, rows: Sequence[DueRow], *, resend_after: datetime) -> None:
        """Do not read these again before `resend_after`."""
