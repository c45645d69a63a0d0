"""When to look at which connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.connection import DueHint
from shared.domain.quota import UNKNOWN, Cost, Lane


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

    @property
    def cost(self) -> Cost:
        """What looking at the connection spends; of one that does not tell, the most."""
        return self.hint.cost or UNKNOWN


@dataclass(frozen=True, slots=True)
class Pace:
    """Until when the quotas are given away already; None while they never were short."""

    until: datetime | None
    etag: str | None


class DueTable(Protocol):
    """One hint per connection at its next action."""

    async def put(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """Write the hint; it is read from its time on."""

    async def has(self, org_id: str, connection_id: str, hint: DueHint) -> bool:
        """Whether the hint is there."""

    async def remove(self, org_id: str, connection_id: str, hint: DueHint) -> None:
        """Remove the hint; removing what is gone is done."""

    def due(self, now: datetime, *, lane: Lane, limit: int, each: int) -> AsyncIterator[DueRow]:
        """Up to `limit` hints of the lane that are due and not lately sent, oldest minute first.

        Of one tenant no more than about `each`, so that a thousand of its rows hide nobody else's; in the lane of what
        spends nothing that is short, all tenants are one.
        """

    async def mark_sent(self, rows: Sequence[DueRow], *, resend_after: datetime) -> None:
        """Do not read these again before `resend_after`."""

    async def pace(self) -> Pace:
        """Until when the quotas are given away."""

    async def set_pace(self, before: Pace, until: datetime) -> bool:
        """Give them away until then; False when somebody else did since `before` was read."""
