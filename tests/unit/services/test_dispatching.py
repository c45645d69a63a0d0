"""The timer: what is due is never lost, and what is not owed any more is dropped."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.connection import LONGEST_RUN, DueHint, Health, RotationStatus
from shared.domain.due import RESEND_AFTER, plan_hint
from shared.domain.owed import Action
from shared.services.ports import Release, Work
from tests.fakes.application import FakeApplication
from tests.fakes.faults import Crash
from tests.unit.services.rotations import rotation_of
from tests.unit.services.world import MINUTE, MONTHLY, ORG, created, delete, due_soon, rotate, row_of, wish


async def due_now(world: FakeApplication, name: str = "prod-vault") -> str:
    """The id of a connection whose rotation is due at this moment."""
    connection = await created(world, wish(name, rotation=MONTHLY))
    assert connection.rotation is not None
    assert connection.rotation.next_rotation_at is not None
    world.clock.now = connection.rotation.next_rotation_at
    return connection.id


async def test_a_lost_message_is_sent_again_after_five_minutes_and_not_before(world: FakeApplication) -> None:
    connection_id = await due_now(world)
    assert await world.app.dispatch.tick() == [Release(Work(ORG, connection_id), world.clock())]
    world.clock.advance(RESEND_AFTER - MINUTE)
    assert await world.app.dispatch.tick() == []
    world.clock.advance(MINUTE)
    assert await world.app.dispatch.tick() == [Release(Work(ORG, connection_id), world.clock())]


async def test_a_tick_that_dies_before_it_notes_what_it_sent_sends_it_again(world: FakeApplication) -> None:
    connection_id = await due_now(world)
    world.faults.before("due.mark_sent", Crash())
    try:
        await world.app.dispatch.tick()
    except Crash:
        world.restart()
    assert await world.app.dispatch.tick() == [Release(Work(ORG, connection_id), world.clock())]


async def test_a_message_may_come_twice_and_late(world: FakeApplication) -> None:
    connection_id = await due_now(world)
    await world.tick()
    for _ in range(3):
        world.clock.advance(MINUTE)
        await world.app.advance(ORG, connection_id)
    assert len(world.history.history(ORG, connection_id)) == 1


async def test_a_message_for_a_connection_that_is_gone_does_nothing(world: FakeApplication) -> None:
    await world.app.advance(ORG, "a0000000-0000-4000-8000-0000000000ff")
    await world.app.advance.record_poison(ORG, "a0000000-0000-4000-8000-0000000000ff")
    assert world.connections.rows(ORG) == []


async def test_a_hint_that_no_row_needs_is_dropped_once_its_writer_must_be_gone(world: FakeApplication) -> None:
    world.faults.before("connections.insert", Crash())
    try:
        await created(world)
    except Crash:
        world.restart()
    assert len(world.due.all()) == 1
    assert world.connections.rows(ORG) == []
    await world.run(LONGEST_RUN + RESEND_AFTER + MINUTE)
    assert due_soon(world) == []


async def test_a_hint_whose_writer_may_still_live_is_kept(world: FakeApplication) -> None:
    hint = DueHint(at=world.clock() + timedelta(seconds=30), nonce="n")
    await world.due.put(ORG, "a0000000-0000-4000-8000-0000000000ff", hint)
    for pause in (timedelta(seconds=30), RESEND_AFTER):
        world.clock.advance(pause)
        await world.tick()
    assert [row.sent for row in world.due.all()] == [2]
    world.clock.advance(RESEND_AFTER)
    await world.tick()
    assert due_soon(world) == []


async def test_a_hint_left_beside_the_one_in_force_is_dropped_and_the_other_stays(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    world.faults.before("connections.replace", Crash())
    try:
        await rotate(world, connection.id)
    except Crash:
        world.restart()
    assert len(world.due.hints(connection.id)) == 2
    assert row_of(world, connection.id).run is None
    await world.run(RESEND_AFTER * 4)
    (left,) = world.due.hints(connection.id)
    assert left.hint == row_of(world, connection.id).due
    assert "entra.refresh" not in world.faults.calls


async def test_a_hint_that_still_serves_is_not_written_anew(world: FakeApplication) -> None:
    connection = await created(world)
    world.clock.advance(timedelta(milliseconds=123))
    await delete(world, connection.id)
    row = row_of(world, connection.id)
    assert row.due is not None
    assert plan_hint(row, world.clock(), "another nonce") == row.due


async def test_work_that_keeps_failing_is_written_on_the_connection(world: FakeApplication) -> None:
    connection_id = await due_now(world)
    await rotate(world, connection_id)
    await world.app.advance.record_poison(ORG, connection_id)
    rotation = rotation_of(world, connection_id)
    assert rotation.rotation_status is RotationStatus.IN_PROGRESS
    assert "several times" in str(rotation.last_rotation_message)
    assert row_of(world, connection_id).holds.get(Action.ROTATE) is not None
    assert len(world.due.hints(connection_id)) == 1


async def test_a_run_that_is_poisoned_twice_is_given_up_until_its_next_date(world: FakeApplication) -> None:
    connection_id = await due_now(world)
    await rotate(world, connection_id)
    await world.app.advance.record_poison(ORG, connection_id)
    await world.app.advance.record_poison(ORG, connection_id)
    assert rotation_of(world, connection_id).rotation_status is RotationStatus.FAILED
    assert row_of(world, connection_id).connection.status.state is Health.DEGRADED
    assert row_of(world, connection_id).run is None


async def test_a_defect_frees_the_run_so_that_the_retried_message_meets_it_again(world: FakeApplication) -> None:
    connection_id = await due_now(world)
    await rotate(world, connection_id)
    world.faults.before("entra.refresh", RuntimeError("a defect"), times=2)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="a defect"):
            await world.app.advance(ORG, connection_id)
    await world.app.advance(ORG, connection_id)
    assert rotation_of(world, connection_id).rotation_status is RotationStatus.SUCCESS


async def test_poisoned_work_is_tried_again_within_the_hour_and_leaves_no_mark(world: FakeApplication) -> None:
    connection_id = await due_now(world)
    await world.app.advance.record_poison(ORG, connection_id)
    assert row_of(world, connection_id).connection.status.state is Health.ACTIVE
    await world.run(61 * MINUTE)
    row = row_of(world, connection_id)
    assert row.connection.status.state is Health.ACTIVE
    assert row.holds.get(Action.ROTATE) is None
    assert len(world.history.history(ORG, connection_id)) == 1
