"""Rotation when processes die, services fail and workers overtake each other: the active version always works."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.domain.connection import LONGEST_RUN, Health, RotationStatus
from shared.domain.errors import ConcurrentChange, UpstreamTimeout, UpstreamUnavailable
from shared.domain.owed import Action
from shared.domain.rotation import LEASE
from tests.fakes.application import FakeApplication
from tests.fakes.faults import Crash
from tests.unit.services.rotations import outcomes, requested, rotation_of
from tests.unit.services.world import (
    DAY,
    MINUTE,
    ORG,
    active_credential,
    rotate,
    row_of,
)


@pytest.mark.parametrize("call", ["vault.get", "entra.refresh", "vault.put"])
async def test_a_passing_fault_pauses_the_run_longer_each_time_and_then_it_succeeds(
    world: FakeApplication, call: str
) -> None:
    connection = await requested(world)
    world.faults.before(call, UpstreamUnavailable("Azure"), times=2)
    for pause in (timedelta(seconds=30), timedelta(minutes=1)):
        await world.app.advance(ORG, connection.id)
        hold = row_of(world, connection.id).holds.get(Action.ROTATE)
        assert hold is not None
        assert hold.until == world.clock() + pause
        await world.app.advance(ORG, connection.id)  # a message that comes early changes nothing
        assert row_of(world, connection.id).holds.get(Action.ROTATE) == hold
        world.clock.advance(pause)
    await world.app.advance(ORG, connection.id)
    assert row_of(world, connection.id).holds.get(Action.ROTATE) is None
    assert outcomes(world, connection.id) == ["success"]


async def test_a_service_that_says_when_to_come_back_is_believed(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.before("entra.refresh", UpstreamUnavailable("Entra", retry_after=120))
    await world.app.advance(ORG, connection.id)
    hold = row_of(world, connection.id).holds.get(Action.ROTATE)
    assert hold is not None
    assert hold.until == world.clock() + timedelta(seconds=120)


async def test_a_record_that_cannot_be_delivered_keeps_no_rotation_waiting(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.before("history.add", UpstreamUnavailable("Table Storage"), times=2)
    await world.app.advance(ORG, connection.id)  # rotated, but what tells of it waits
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    assert world.faults.calls.count("entra.refresh") == 2
    assert outcomes(world, connection.id) == []
    await world.run(15 * MINUTE)
    assert outcomes(world, connection.id) == ["success", "success"]


async def test_the_timer_finds_a_paused_run_again(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.before("entra.refresh", UpstreamUnavailable("Entra"))
    await world.app.advance(ORG, connection.id)
    await world.run(2 * MINUTE)
    assert outcomes(world, connection.id) == ["success"]


async def test_a_fault_that_stays_gives_the_run_up_until_the_next_day(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.before("entra.refresh", UpstreamUnavailable("Entra"), times=5)
    await world.run(15 * MINUTE)
    row = row_of(world, connection.id)
    assert world.faults.calls.count("entra.refresh") == 5
    assert rotation_of(world, connection.id).rotation_status is RotationStatus.FAILED
    assert row.connection.status.state is Health.DEGRADED
    assert (row.run, row.holds.get(Action.ROTATE)) == (None, None)
    await world.run(DAY)
    assert outcomes(world, connection.id) == ["success", "failed"]
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE


async def test_after_a_crash_between_put_and_promotion_the_orphan_is_disabled(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.after("vault.put", Crash())
    with pytest.raises(Crash):
        await world.app.advance(ORG, connection.id)
    world.restart()
    name = row_of(world, connection.id).secret_name
    assert len(world.vault.readable()[name]) == 2
    await world.run(10 * MINUTE)
    active_credential(world, connection.id)
    assert len(world.vault.readable()[name]) == 1
    assert outcomes(world, connection.id) == ["success"]
    (entry,) = world.history.history(ORG, connection.id)
    assert entry["attempts"] == 2


async def test_an_orphan_is_looked_for_when_whoever_wrote_it_must_be_gone(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.after("vault.put", Crash())
    with pytest.raises(Crash):
        await world.app.advance(ORG, connection.id)
    world.restart()
    name = row_of(world, connection.id).secret_name
    world.clock.advance(LEASE)
    await world.app.advance(ORG, connection.id)
    assert len(world.vault.readable()[name]) == 2  # the crashed worker's version, which no row names
    assert row_of(world, connection.id).sweep_at == world.clock() + LONGEST_RUN
    await world.run(LONGEST_RUN + MINUTE)
    assert len(world.vault.readable()[name]) == 1
    assert row_of(world, connection.id).sweep_at is None
    active_credential(world, connection.id)


async def test_a_sweep_never_touches_a_version_that_is_being_promoted(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.after("vault.put", Crash())
    with pytest.raises(Crash):
        await world.app.advance(ORG, connection.id)
    world.restart()
    world.clock.advance(LEASE)
    await world.app.advance(ORG, connection.id)
    world.clock.advance(LONGEST_RUN)

    async def rotate_meanwhile() -> None:
        await rotate(world, connection.id)
        await world.app.advance(ORG, connection.id)

    world.faults.before("vault.readable_versions", rotate_meanwhile)
    await world.app.advance(ORG, connection.id)
    active_credential(world, connection.id)
    await world.run(LONGEST_RUN + MINUTE)
    active_credential(world, connection.id)
    assert len(world.vault.readable()[row_of(world, connection.id).secret_name]) == 1


@pytest.mark.parametrize("fault", [Crash(), UpstreamTimeout("Azure")], ids=["crash", "time-out"])
async def test_a_fault_at_any_call_of_a_rotation_is_made_good(world: FakeApplication, fault: BaseException) -> None:
    connection = await requested(world)
    name = row_of(world, connection.id).secret_name
    mark = len(world.faults.calls)
    await world.app.advance(ORG, connection.id)
    calls = len(world.faults.calls) - mark
    for position in range(1, calls + 1):
        for when in (world.faults.before, world.faults.after):
            world.clock.advance(MINUTE)
            await rotate(world, connection.id)
            when("*", fault, nth=position)
            try:
                await world.app.advance(ORG, connection.id)
            except (Crash, UpstreamTimeout):
                active_credential(world, connection.id)
            world.restart()
            await world.run(10 * MINUTE)
            active_credential(world, connection.id)
            assert rotation_of(world, connection.id).rotation_status is RotationStatus.SUCCESS
            assert len(world.vault.readable()[name]) <= 2
    world.clock.advance(MINUTE)
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    assert len(world.vault.readable()[name]) == 1
    assert set(outcomes(world, connection.id)) == {"success"}


@pytest.mark.parametrize("workers", [2, 5])
async def test_workers_at_once_make_one_exchange_between_them(world: FakeApplication, workers: int) -> None:
    connection = await requested(world)
    world.faults.slow(0.005)
    await asyncio.gather(*(world.app.advance(ORG, connection.id) for _ in range(workers)))
    assert world.faults.calls.count("entra.refresh") == 1
    name = row_of(world, connection.id).secret_name
    active_credential(world, connection.id)
    assert len(world.vault.readable()[name]) == 1
    assert outcomes(world, connection.id) == ["success"]


@pytest.mark.parametrize(
    "point", ["connections.get", "connections.replace", "vault.get", "entra.refresh", "vault.put", "due.put"]
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_worker_overtaken_at_any_point_changes_nothing(world: FakeApplication, point: str, after: bool) -> None:
    connection = await requested(world)
    name = row_of(world, connection.id).secret_name

    async def overtake() -> None:
        world.clock.advance(LEASE)  # the first worker slept so long that another took over
        await world.app.advance(ORG, connection.id)

    (world.faults.after if after else world.faults.before)(point, overtake)
    await world.app.advance(ORG, connection.id)
    active_credential(world, connection.id)
    assert outcomes(world, connection.id) == ["success"]
    await world.run(20 * MINUTE)
    assert len(world.vault.readable()[name]) == 1
    assert [row.hint.at > world.clock() for row in world.due.hints(connection.id)] == [True]


async def test_a_version_that_cannot_be_disabled_yet_is_disabled_later(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.before("vault.disable", UpstreamUnavailable("Key Vault"))
    await world.app.advance(ORG, connection.id)
    name = row_of(world, connection.id).secret_name
    assert len(world.vault.readable()[name]) == 2
    assert rotation_of(world, connection.id).rotation_status is RotationStatus.SUCCESS
    await world.run(10 * MINUTE)
    assert len(world.vault.readable()[name]) == 1


async def test_a_record_that_cannot_be_delivered_yet_is_delivered_once(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.after("history.add", UpstreamTimeout("Table Storage"))
    await world.app.advance(ORG, connection.id)
    await world.run(10 * MINUTE)
    assert outcomes(world, connection.id) == ["success"]
    assert row_of(world, connection.id).outbox == ()


async def test_a_worker_that_meets_another_write_reads_again_and_goes_on(world: FakeApplication) -> None:
    connection = await requested(world)

    async def edit() -> None:
        stored = await world.connections.get(ORG, connection.id)
        assert stored is not None
        await world.connections.replace(stored, stored.row.showing(description="edited meanwhile"))

    world.faults.before("connections.replace", edit)
    await world.app.advance(ORG, connection.id)
    assert outcomes(world, connection.id) == ["success"]
    assert row_of(world, connection.id).connection.description == "edited meanwhile"


async def test_a_promotion_that_won_unseen_is_not_undone_by_a_third_writer(world: FakeApplication) -> None:
    connection = await requested(world)

    async def another_writes_before_we_look() -> None:
        stored = await world.connections.get(ORG, connection.id)
        assert stored is not None
        await world.connections.replace(stored, stored.row.having(write_id="another's"))
        raise ConcurrentChange

    world.faults.after("connections.replace", another_writes_before_we_look, nth=2)
    await world.app.advance(ORG, connection.id)
    await world.run(20 * MINUTE)
    active_credential(world, connection.id)
    assert outcomes(world, connection.id) == ["success"]
