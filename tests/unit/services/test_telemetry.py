"""What the service measures, and the one line that it logs for each outcome."""

from __future__ import annotations

import logging
import re

import pytest

from shared.domain.connection import Health, Lifecycle, RotationStatus
from shared.domain.errors import GrantRefused, Refusal, UpstreamUnavailable
from shared.domain.measures import Metric
from shared.domain.schedule import IntervalUnit
from shared.services.stock import LATER, SOON, is_overdue
from shared.services.upkeep import Round
from tests.fakes.application import FakeApplication, fake_application
from tests.fakes.telemetry import FakeTelemetry, key
from tests.unit.services.rotations import outcomes
from tests.unit.services.world import DAY, MONTHLY, ORG, created, rotate, row_of, wish

OAUTH = {"method": "oauth"}


@pytest.fixture
def telemetry() -> FakeTelemetry:
    return FakeTelemetry()


@pytest.fixture
def world(telemetry: FakeTelemetry) -> FakeApplication:
    return fake_application(telemetry=telemetry)


async def lived(world: FakeApplication) -> str:
    """Made, rotated once, then refused for good."""
    connection = await created(world, wish(rotation=MONTHLY))
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    world.clock.advance(DAY)
    await rotate(world, connection.id)
    world.faults.before("entra.refresh", GrantRefused(Refusal("invalid_grant"), "The grant was revoked"))
    await world.app.advance(ORG, connection.id)
    return connection.id


async def test_every_change_of_state_is_counted_once(world: FakeApplication, telemetry: FakeTelemetry) -> None:
    await lived(world)
    for state in ("active", "needs-reconnect"):
        assert telemetry.counts[key(Metric.TRANSITIONS, {**OAUTH, "state": state})] == 1


async def test_every_run_that_ends_is_counted_and_timed(world: FakeApplication, telemetry: FakeTelemetry) -> None:
    assert outcomes(world, await lived(world)) == ["failed", "success"]
    for outcome in ("success", "failed"):
        assert telemetry.counts[key(Metric.ROTATIONS, {**OAUTH, "outcome": outcome, "trigger": "manual"})] == 1
        assert telemetry.values[key(Metric.ROTATION_DURATION, {**OAUTH, "outcome": outcome})] == [0.0]


async def test_the_timer_tells_how_long_the_oldest_due_row_has_waited(
    world: FakeApplication, telemetry: FakeTelemetry
) -> None:
    await created(world, wish(rotation=MONTHLY))
    await world.app.dispatch.tick()
    assert telemetry.gauges[key(Metric.OLDEST_DUE_AGE, {})] == 0
    world.clock.advance(40 * DAY)
    await world.app.dispatch.tick()
    assert telemetry.gauges[key(Metric.OLDEST_DUE_AGE, {})] > 5 * DAY.total_seconds()
    assert telemetry.counts[key(Metric.TICKS, {})] == 2


async def test_work_that_is_given_up_is_counted(world: FakeApplication, telemetry: FakeTelemetry) -> None:
    connection = await created(world)
    await world.app.advance.record_poison(ORG, connection.id)
    assert telemetry.counts[key(Metric.POISONED, {"queue": "work"})] == 1


async def test_the_round_counts_connections_by_state_and_tells_of_those_that_are_none(
    world: FakeApplication, telemetry: FakeTelemetry
) -> None:
    await lived(world)
    assert (await world.app.upkeep(Round())).done
    assert telemetry.gauges[key(Metric.CONNECTIONS, {**OAUTH, "state": "needs-reconnect"})] == 1
    assert telemetry.gauges[key(Metric.CONNECTIONS, {**OAUTH, "state": "active"})] == 0


async def test_the_round_tells_which_success_is_oldest_and_what_is_due_next(
    world: FakeApplication, telemetry: FakeTelemetry
) -> None:
    never_rotated = await created(world, wish(name="a", rotation=MONTHLY))
    world.clock.advance(3 * DAY)
    rotated = await created(world, wish(name="b", rotation=MONTHLY))
    await rotate(world, rotated.id)
    await world.app.advance(ORG, rotated.id)
    await created(world, wish(name="c"))  # does not rotate by itself
    world.clock.advance(2 * DAY)
    round_ = await world.app.upkeep(Round())
    assert round_.oldest_success == {"oauth": never_rotated.created_at}
    assert telemetry.gauges[key(Metric.OLDEST_SUCCESS_AGE, OAUTH)] == (5 * DAY).total_seconds()
    assert telemetry.gauges[key(Metric.OLDEST_SUCCESS_AGE, {"method": "certificate"})] == 0
    assert due_next(telemetry) == {"day": 0, "week": 3, "month": 0, "later": 0}  # each grant is used within the week
    world.clock.advance(5 * DAY)
    await world.app.upkeep(Round())
    assert due_next(telemetry)["day"] > 0
    await world.run(26 * DAY)
    again = await world.app.upkeep(Round())
    assert again.oldest_success["oauth"] > rotated.created_at


async def test_a_rotation_that_fails_day_after_day_is_counted_and_named(
    world: FakeApplication, telemetry: FakeTelemetry, caplog: pytest.LogCaptureFixture
) -> None:
    failing = await created(world, wish(rotation=MONTHLY))
    named = f"upkeep.rotation-overdue orgId={ORG} connectionId={failing.id}"
    world.faults.before("vault.put", UpstreamUnavailable("Key Vault"), times=100_000)
    counted = []
    for _ in range(33):
        await world.run(DAY)
        counted.append(await overdue(world, telemetry))
        assert (named in caplog.text) == (counted[-1] > 0)
    assert counted[:30] == [0] * 30
    assert counted[-1] == 1, "the next try is always tomorrow, so no due row is ever late"
    world.faults.clear()
    await world.run(2 * DAY)
    assert await overdue(world, telemetry) == 0


async def overdue(world: FakeApplication, telemetry: FakeTelemetry) -> float:
    await world.app.upkeep(Round())
    return telemetry.gauges[key(Metric.OVERDUE, OAUTH)]


async def test_what_is_planned_or_waits_for_a_person_is_not_overdue(world: FakeApplication) -> None:
    row = row_of(world, (await created(world, wish(rotation=MONTHLY))).id)
    now = row.connection.created_at + 40 * DAY
    failed = row.rotating(rotation_status=RotationStatus.FAILED, next_rotation_at=now + DAY)
    assert is_overdue(failed, now, IntervalUnit.DAYS)
    assert not is_overdue(failed, now - 9 * DAY, IntervalUnit.DAYS), "an interval and a day are allowed"
    shortened = row.rotating(next_rotation_at=now + DAY)
    forgotten = row.rotating(next_rotation_at=now - DAY)
    dead = failed.judged(Health.NEEDS_RECONNECT, "The grant was revoked", now)
    off = failed.showing(is_auto_rotation_enabled=False)
    deleting = failed.having(lifecycle=Lifecycle.DELETING)
    cases = [shortened, forgotten, dead, off, deleting]
    assert [is_overdue(each, now, IntervalUnit.DAYS) for each in cases] == [False, True, False, False, False]


def due_next(telemetry: FakeTelemetry) -> dict[str, float]:
    return {within: telemetry.gauges[key(Metric.DUE_NEXT, {"within": within})] for within in (*SOON, LATER)}


async def test_work_and_each_call_that_it_makes_are_spans(world: FakeApplication, telemetry: FakeTelemetry) -> None:
    await lived(world)
    assert {"work.rotate", "work.settle", "key-vault.put", "entra.refresh", "table connections.replace"} <= set(
        telemetry.spans
    )


async def test_each_outcome_is_one_line_with_what_it_belongs_to(
    world: FakeApplication, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "shared.services.outcomes")
    connection_id = await lived(world)
    lines = [record.message for record in caplog.records if record.message.startswith("outcome ")]
    found = [re.match(r"outcome action=(\S+) outcome=(\S+)", line) for line in lines]
    assert [(match[1], match[2]) for match in found if match] == [
        ("connection.create", "success"),
        ("connection.rotate", "success"),
        ("rotation.run", "success"),
        ("connection.rotate", "success"),
        ("rotation.run", "failure"),
    ]
    assert all(f"orgId={ORG} connectionId={connection_id} " in line for line in lines)
    runs = [str(entry["rotationId"]) for entry in world.history.history(ORG, connection_id)]
    assert [line.rsplit("rotationId=")[1] for line in lines] == ["-", runs[1], runs[1], runs[0], runs[0]]
