"""Timer triggers: NCRONTAB schedules in UTC.

Unlike the platform nothing is remembered between two runs of the process, so a start is never past due.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from azure.functions.timer import TimerRequest
from croniter import croniter

from local.host.metadata import Function, TimerTrigger
from local.host.pause import pause
from local.host.runtime import InvocationFailed, Invoker

TOLERANCE = timedelta(seconds=1)
"""A run that starts later than this after its time is past due."""


def next_occurrence(schedule: str, after: datetime) -> datetime:
    """The first time after `after` at which the schedule is due.

    Six fields, seconds first; day of month and day of week must both match, as NCRONTAB has it (cron takes either).
    Raises ValueError for anything else.
    """
    try:
        if len(schedule.split()) != 6:
            raise ValueError("it must have six fields, seconds first")
        found = croniter(schedule, after, second_at_beginning=True, day_or=False).get_next(datetime)
    except ValueError as error:
        raise ValueError(f"{schedule!r} is not an NCRONTAB schedule: {error}") from error
    return found.astimezone(UTC)


class Timer:
    """Runs one function on its schedule, never twice at once."""

    def __init__(self, function: Function, trigger: TimerTrigger, invoker: Invoker) -> None:
        self._function = function
        self._trigger = trigger
        self._invoker = invoker
        self._one_at_a_time = asyncio.Lock()
        self._last: datetime | None = None
        try:
            next_occurrence(trigger.schedule, datetime.now(UTC))
        except ValueError as error:
            raise ValueError(f"function {function.name!r}: {error}") from error

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep the schedule until `stopping` is set; occurrences missed meanwhile count as one."""
        started = datetime.now(UTC)
        if self._trigger.run_on_startup:
            await self.fire()
        while not stopping.is_set():
            due = next_occurrence(self._trigger.schedule, started)
            if await pause(stopping, (due - datetime.now(UTC)).total_seconds()):
                return
            # A clock that runs a little early must not meet the same occurrence twice.
            started = max(datetime.now(UTC), due)
            await self.fire(due)

    async def fire(self, due: datetime | None = None) -> None:
        """Run now. Failures are logged and end there: the platform does not retry a timer by default."""
        async with self._one_at_a_time:
            now = datetime.now(UTC)
            request = TimerRequest(
                past_due=due is not None and now - due > TOLERANCE,
                schedule={"AdjustForDST": True},
                schedule_status={
                    "Last": (self._last or datetime.min.replace(tzinfo=UTC)).isoformat(),
                    "LastUpdated": now.isoformat(),
                    "Next": next_occurrence(self._trigger.schedule, now).isoformat(),
                },
            )
            self._last = now
            with suppress(InvocationFailed):
                await self._invoker.invoke(self._function, request)
