"""What a dry run of a rotation tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.errors import NotFound
from shared.domain.password_rotation import PROVE_APART
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import (
    app_of,
    register,
    rotating,
)
from tests.unit.services.rotations import SETTLED, requested, rotation_of
from tests.unit.services.world import CALLER, DAY, MINUTE, ORG, rotate


async def test_a_dry_run_tells_the_plan_and_changes_nothing(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    calls = len(world.faults.calls)
    row, plan = await world.app.connections.forecast(CALLER, made.id)
    assert row.connection == made
    assert (plan.issues, plan.revokes, plan.keeps) == ("app-password", [app_of(world).passwords[0].key_id], [])
    assert plan.ends_at == world.clock() + 63 * DAY
    assert world.faults.calls[calls:] == ["connections.get"]
    with pytest.raises(NotFound):
        await world.app.connections.forecast(CALLER, "00000000-0000-4000-8000-000000000000")


async def test_a_dry_run_during_a_run_tells_of_that_one(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    started = world.clock()
    await rotate(world, made.id)
    world.clock.advance(timedelta(seconds=20))
    _, asked = await world.app.connections.forecast(CALLER, made.id)
    assert (asked.starts_at, asked.earliest_in_use_at) == (started, world.clock() + PROVE_APART)
    await world.app.advance(ORG, made.id)
    issued = app_of(world).passwords[-1]
    world.clock.advance(timedelta(seconds=5))
    _, proven_once = await world.app.connections.forecast(CALLER, made.id)
    assert proven_once.starts_at == started
    assert proven_once.earliest_in_use_at == world.clock() + timedelta(seconds=10)
    assert proven_once.ends_at == issued.ends
    world.clock.advance(DAY)
    _, late = await world.app.connections.forecast(CALLER, made.id)
    assert late.earliest_in_use_at == world.clock()


async def test_the_next_rotation_that_is_foretold_is_the_one_that_comes(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    await rotate(world, made.id)
    await world.app.advance(ORG, made.id)
    world.clock.advance(timedelta(hours=18))  # past 03:30 of the next day: the run's start decides
    _, plan = await world.app.connections.forecast(CALLER, made.id)
    await world.run(SETTLED)
    assert rotation_of(world, made.id).next_rotation_at == plan.next_rotation_at


async def test_a_dry_run_of_a_grant_tells_of_the_run_under_way(world: FakeApplication) -> None:
    made = await requested(world)
    started = world.clock()
    world.clock.advance(MINUTE)
    _, plan = await world.app.connections.forecast(CALLER, made.id)
    assert (plan.issues, plan.starts_at, plan.earliest_in_use_at) == ("refresh-token", started, world.clock())
