"""When is the next rotation? All times are UTC.

- After success: the run's start date at hh:mm plus the interval; one day more for a manual run or the enabling of
  rotation that started at or after hh:mm, so that the new credential lives at least a whole interval.
- After failure: the calendar day after the run's start, at hh:mm.
- After a change of the schedule: as if the newest run had been planned with the new one.
- Never in the past.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from shared.domain.model import Record


class IntervalUnit(StrEnum):
    """What an interval of 1 means. Anything but days is for development: it ignores hh:mm and counts from the start."""

    DAYS = "days"
    MINUTES = "minutes"
    SECONDS = "seconds"


class Trigger(StrEnum):
    """Why a rotation run started."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    ENABLE = "enable"


class RotateAt(Record):
    """The time of day of a rotation, UTC."""

    hours: Annotated[int, Field(ge=0, le=23, strict=True)]
    minutes: Annotated[int, Field(ge=0, le=59, strict=True)]


def after_success(
    started: datetime,
    now: datetime,
    *,
    interval: int,
    at: RotateAt,
    trigger: Trigger,
    unit: IntervalUnit = IntervalUnit.DAYS,
) -> datetime:
    """The next rotation after a run that started at `started` and succeeded."""
    if unit is not IntervalUnit.DAYS:
        return _later(started + timedelta(**{unit.value: interval}), now, timedelta(**{unit.value: interval}))
    base = _on_day_of(started, at)
    if trigger is not Trigger.SCHEDULED and started >= base:
        base += timedelta(days=1)
    return _later(base + timedelta(days=interval), now, timedelta(days=1))


def after_failure(
    started: datetime, now: datetime, *, at: RotateAt, unit: IntervalUnit = IntervalUnit.DAYS
) -> datetime:
    """The next try after a run that started at `started` and failed."""
    if unit is not IntervalUnit.DAYS:
        return _later(started + timedelta(minutes=1), now, timedelta(minutes=1))
    return _later(_on_day_of(started, at) + timedelta(days=1), now, timedelta(days=1))


def after_change(
    planned: datetime,
    now: datetime,
    *,
    former_interval: int,
    interval: int,
    at: RotateAt,
    retrying: bool,
    unit: IntervalUnit = IntervalUnit.DAYS,
) -> datetime:
    """The next rotation when the schedule is changed while it stands at `planned`.

    `retrying`: the newest run failed, so `planned` follows no interval; it moves to the new time of its day.
    """
    if unit is not IntervalUnit.DAYS:
        return now + timedelta(**{unit.value: interval})
    base = planned if retrying else planned + timedelta(days=interval - former_interval)
    return _later(max(_on_day_of(base, at), _on_day_of(now, at)), now, timedelta(days=1))


def _on_day_of(moment: datetime, at: RotateAt) -> datetime:
    return datetime.combine(moment.astimezone(UTC).date(), time(at.hours, at.minutes), tzinfo=UTC)


def _later(candidate: datetime, now: datetime, step: timedelta) -> datetime:
    """`candidate`, moved on by whole steps until it lies after `now`."""
    if candidate > now:
        return candidate
    return candidate + step * ((now - candidate) // step + 1)
