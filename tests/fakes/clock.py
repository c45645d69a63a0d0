"""A clock that stands still until it is told to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


class FakeClock:
    """`Clock` for tests."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """See `Clock`."""
        return self.now

    def advance(self, by: timedelta) -> datetime:
        """Move on, and tell the new time."""
        self.now += by
        return self.now
