"""The local host keeps timer schedules as the platform does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import aiohttp
import azure.functions as func
import pytest

from local.host import Host
from local.host.timers import next_occurrence
from tests.support.functions_host import new_app, running, until

NEVER = "0 0 0 1 1 *"
EACH_SECOND = "* * * * * *"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("0 * * * * *", "2026-03-01T10:00:30", "2026-03-01T10:01:00"),
        ("*/15 * * * * *", "2026-03-01T10:00:30", "2026-03-01T10:00:45"),
        ("0 30 2 * * *", "2026-03-01T02:30:00", "2026-03-02T02:30:00"),
        # The 13th must also be a Friday, where cron would take any of both.
        ("0 0 0 13 * Fri", "2026-04-01T00:00:00", "2026-11-13T00:00:00"),
    ],
)
def test_schedules_are_ncrontab_with_seconds_first(schedule: str, after: str, expected: str) -> None:
    assert next_occurrence(schedule, at(after)) == at(expected)


@pytest.mark.parametrize("schedule", ["* * * * *", "61 * * * * *", "00:01:00", "never at all on this clock"])
def test_a_schedule_that_is_not_ncrontab_is_refused(schedule: str) -> None:
    app = new_app()

    @app.timer_trigger(arg_name="timer", schedule=schedule)
    def tick(timer: func.TimerRequest) -> None: ...

    with pytest.raises(ValueError, match="function 'tick'"):
        Host(app)


async def test_a_timer_runs_on_its_schedule_resolved_from_an_app_setting() -> None:
    app, runs = new_app(), list[func.TimerRequest]()

    @app.timer_trigger(arg_name="timer", schedule="%TICK%")
    async def tick(timer: func.TimerRequest) -> None:
        runs.append(timer)

    async with running(app, environ={"TICK": EACH_SECOND}):
        await until(lambda: runs)
    assert not any(timer.past_due for timer in runs)


def test_an_app_setting_that_is_missing_is_named() -> None:
    app = new_app()

    @app.timer_trigger(arg_name="timer", schedule="%TICK%")
    def tick(timer: func.TimerRequest) -> None: ...

    with pytest.raises(ValueError, match=r"function 'tick'.*%TICK%"):
        Host(app, environ={})


async def test_run_on_startup_runs_at_once() -> None:
    app, started = new_app(), asyncio.Event()

    @app.timer_trigger(arg_name="timer", schedule=NEVER, run_on_startup=True)
    async def tick(timer: func.TimerRequest) -> None:
        started.set()

    async with running(app), asyncio.timeout(1):
        await started.wait()


async def test_runs_never_overlap_and_missed_ones_come_as_one_that_is_past_due() -> None:
    app, lateness, inside, overlaps = new_app(), list[bool](), 0, 0

    @app.timer_trigger(arg_name="timer", schedule=EACH_SECOND)
    async def tick(timer: func.TimerRequest) -> None:
        nonlocal inside, overlaps
        lateness.append(timer.past_due)
        inside += 1
        overlaps += inside > 1
        if len(lateness) == 1:
            await asyncio.sleep(2.2)
        inside -= 1

    async with running(app) as host, aiohttp.ClientSession(host.url) as client:
        await until(lambda: lateness)
        async with client.post("/admin/functions/tick", json={}) as answer:
            assert answer.status == 202
        await until(lambda: len(lateness) >= 3)
    assert overlaps == 0
    assert lateness[0] is False
    assert sum(lateness) == 1


async def test_a_failing_run_does_not_end_the_schedule() -> None:
    app, runs = new_app(), 0

    @app.timer_trigger(arg_name="timer", schedule=EACH_SECOND, run_on_startup=True)
    async def tick(timer: func.TimerRequest) -> None:
        nonlocal runs
        runs += 1
        raise asyncio.CancelledError if runs == 1 else RuntimeError

    async with running(app):
        await until(lambda: runs >= 2)


async def test_a_run_asked_for_by_an_admin_is_answered_before_it_ends() -> None:
    app, released, ended = new_app(), asyncio.Event(), asyncio.Event()

    @app.function_name("Upkeep")
    @app.timer_trigger(arg_name="timer", schedule=NEVER)
    async def tick(timer: func.TimerRequest) -> None:
        await released.wait()
        ended.set()

    @app.route(route="http")
    async def http(req: func.HttpRequest) -> str:
        return ""

    async with running(app) as host, aiohttp.ClientSession(host.url) as client:
        for name, body, status in (
            ("upkeep", "{}", 202),
            ("nobody", "{}", 404),
            ("http", "{}", 400),
            ("Upkeep", "not JSON", 400),
        ):
            async with client.post(f"/admin/functions/{name}", data=body) as answer:
                assert (answer.status, await answer.read()) == (status, b"")
        assert not ended.is_set()
        released.set()
        await until(ended.is_set)


async def test_a_stop_waits_for_the_run_but_not_for_ever() -> None:
    app, ended, cancelled = new_app(), asyncio.Event(), asyncio.Event()

    @app.timer_trigger(arg_name="timer", schedule=NEVER, run_on_startup=True)
    async def quick(timer: func.TimerRequest) -> None:
        await asyncio.sleep(0.1)
        ended.set()

    @app.timer_trigger(arg_name="timer", schedule=NEVER, run_on_startup=True)
    async def endless(timer: func.TimerRequest) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with running(app, grace_seconds=0.3):
        await asyncio.sleep(0.01)
    assert ended.is_set()
    assert cancelled.is_set()
