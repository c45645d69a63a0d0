"""What the daily round counts over all connections, for operators: states, the oldest success, and what is due next."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product
from typing import Self

from pydantic import Field

from shared.domain.connection import Health, Lifecycle, Rotation, RotationStatus, Row
from shared.domain.credential import Method
from shared.domain.measures import Metric
from shared.domain.model import Instant, Record
from shared.domain.owed import next_owed
from shared.domain.schedule import IntervalUnit
from shared.services.ports import Telemetry

SOON = {"day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=30)}
LATER = "later"
ALLOWANCE = timedelta(days=1)
"""How much later than its interval a success may be: after a manual run the next one is planned up to a day later."""


class Stock(Record):
    """The counts so far. They travel with the round, page by page."""

    states: dict[str, int] = Field(default_factory=dict)
    """Connections by `<state> <method>`."""
    oldest_success: dict[str, Instant] = Field(default_factory=dict)
    """By method, of the connections that rotate by themselves: the one whose newest success is longest ago."""
    overdue: dict[str, int] = Field(default_factory=dict)
    """By method, connections that `is_overdue`."""
    due: dict[str, int] = Field(default_factory=dict)
    """Connections by how soon they next owe something."""

    def counted(self, row: Row, now: datetime, unit: IntervalUnit) -> Self:
        """With one row more. Rows that nobody sees are left out."""
        if row.lifecycle is not Lifecycle.ACTIVE:
            return self
        method = row.connection.method.value
        changes: dict[str, object] = {"states": _one_more(self.states, f"{row.connection.status.state.value} {method}")}
        rotation = row.connection.rotation
        if rotation is not None and row.connection.is_auto_rotation_enabled:
            success = _success(row, rotation)
            oldest = min(success, self.oldest_success.get(method, success))
            changes["oldest_success"] = {**self.oldest_success, method: oldest}
        if is_overdue(row, now, unit):
            changes["overdue"] = _one_more(self.overdue, method)
        owed = next_owed(row)
        if owed is not None:
            changes["due"] = _one_more(self.due, _within(owed.at - now))
        return self.model_copy(update=changes)

    def tell(self, telemetry: Telemetry, now: datetime) -> None:
        """All of it as gauges, with a zero for what there is none of: else the last value would seem to stand."""
        for state, method in product(Health, Method):
            number = self.states.get(f"{state.value} {method.value}", 0)
            telemetry.gauge(Metric.CONNECTIONS, number, state=state.value, method=method.value)
        for method in Method:
            age = now - self.oldest_success.get(method.value, now)
            telemetry.gauge(Metric.OLDEST_SUCCESS_AGE, age.total_seconds(), method=method.value)
            telemetry.gauge(Metric.OVERDUE, self.overdue.get(method.value, 0), method=method.value)
        for within in (*SOON, LATER):
            telemetry.gauge(Metric.DUE_NEXT, self.due.get(within, 0), within=within)


def is_overdue(row: Row, now: datetime, unit: IntervalUnit) -> bool:
    """Whether the newest success is older than the interval and a day: by then it was tried again and again in vain.

    Not where a person must act first, which is told of by itself; nor where the schedule puts the next run later, as
    after an interval was shortened.
    """
    rotation = row.connection.rotation
    if row.lifecycle is not Lifecycle.ACTIVE or rotation is None or not row.connection.is_auto_rotation_enabled:
        return False
    if row.connection.status.state is Health.NEEDS_RECONNECT:
        return False
    planned = rotation.rotation_status is RotationStatus.SUCCESS and (rotation.next_rotation_at or now) > now
    interval = timedelta(**{unit.value: rotation.rotation_interval})
    return not planned and now - _success(row, rotation) > interval + ALLOWANCE


def _success(row: Row, rotation: Rotation) -> datetime:
    return rotation.last_rotated_at or row.connection.created_at  # what was submitted worked then


def _within(left: timedelta) -> str:
    return next((name for name, limit in SOON.items() if left <= limit), LATER)


def _one_more(counts: dict[str, int], name: str) -> dict[str, int]:
    return {**counts, name: counts.get(name, 0) + 1}
