"""Rotation of a grant: the refresh token is exchanged, and at every moment the active version works."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.domain.connection import Connection, Health, Rotation, RotationStatus
from shared.domain.errors import NotFound, Refusal, UpstreamTimeout, UpstreamUnavailable
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.fakes.faults import Crash
from tests.unit.services.world import (
    CALLER,
    DAY,
    MINUTE,
    MONTHLY,
    ORG,
    active_credential,
    created,
    row_of,
    wish,
)


async def requested(world: FakeApplication) -> Connection:
    """A connection with a rotation that was just asked for by hand."""
    connection = await created(world, wish(rotation=MONTHLY))
    world.clock.advance(DAY)
    return await world.app.connections.rotate(CALLER, connection.id)


def rotation_of(world: FakeApplication, connection_id: str) -> Rotation:
    """How the newest run went."""
    rotation = row_of(world, connection_id).connection.rotation
    assert rotation is not None
    return rotation


def outcomes(world: FakeApplication, connection_id: str) -> list[object]:
    """The outcomes in the history, newest first."""
    return [entry["outcome"] for entry in world.records.history(ORG, connection_id)]


async def test_a_manual_rotation_replaces_the_grant_and_disables_the_old_one(world: FakeApplication) -> None:
    connection = await requested(world)
    assert connection.rotation is not None
    assert connection.rotation.rotation_status is RotationStatus.IN_PROGRESS
    before = active_credential(world, connection.id)
    await world.app.advance(ORG, connection.id)
    after = active_credential(world, connection.id)
    assert after.refresh_token != before.refresh_token
    assert after.issued_at == world.clock()
    assert len(world.vault.readable()[row_of(world, connection.id).secret_name]) == 1
    rotation = rotation_of(world, connection.id)
    assert rotation.rotation_status is RotationStatus.SUCCESS
    assert rotation.last_rotated_at == world.clock()
    (entry,) = world.records.history(ORG, connection.id)
    assert (entry["outcome"], entry["trigger"], entry["attempts"]) == ("success", "manual", 1)


async def test_a_rotation_asked_for_twice_runs_once(world: FakeApplication) -> None:
    connection = await requested(world)
    assert await world.app.connections.rotate(CALLER, connection.id) == connection
    await world.app.advance(ORG, connection.id)
    await world.app.advance(ORG, connection.id)
    assert world.faults.calls.count("entra.refresh") == 1


async def test_a_manual_rotation_works_while_auto_rotation_is_off_and_sets_no_date(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY, enabled=False))
    await world.app.connections.rotate(CALLER, connection.id)
    await world.app.advance(ORG, connection.id)
    rotation = rotation_of(world, connection.id)
    assert rotation.rotation_status is RotationStatus.SUCCESS
    assert rotation.next_rotation_at is None
    assert world.due.all() == []


async def test_a_connection_without_rotation_cannot_be_rotated(world: FakeApplication) -> None:
    connection = await created(world)
    with pytest.raises(NotFound, match="Credential rotation is not configured"):
        await world.app.connections.rotate(CALLER, connection.id)


async def test_a_scheduled_rotation_runs_at_its_date_and_sets_the_next(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    due_at = rotation_of(world, connection.id).next_rotation_at
    assert due_at is not None
    world.clock.advance(due_at - world.clock() - MINUTE)
    assert await world.tick() == []
    world.clock.advance(MINUTE)
    assert len(await world.tick()) == 1
    assert rotation_of(world, connection.id).next_rotation_at == due_at + 30 * DAY
    assert outcomes(world, connection.id) == ["success"]
    (hint,) = world.due.hints(connection.id)
    assert hint.hint.at == due_at + 30 * DAY


async def test_a_revoked_grant_fails_the_run_and_says_what_to_do(world: FakeApplication) -> None:
    connection = await requested(world)
    world.entra.revoke(ADA)
    await world.app.advance(ORG, connection.id)
    rotation = rotation_of(world, connection.id)
    status = row_of(world, connection.id).connection.status
    assert rotation.rotation_status is RotationStatus.FAILED
    assert rotation.last_rotation_message is not None
    assert "Reconnect" in rotation.last_rotation_message
    assert (status.state, status.reason) == (Health.NEEDS_RECONNECT, rotation.last_rotation_message)
    assert f"{rotation.next_rotation_at:%Y-%m-%d %H:%M}" == "2026-03-04 03:30"
    assert outcomes(world, connection.id) == ["failed"]
    active_credential(world, connection.id)


async def test_a_refusal_that_is_a_matter_of_configuration_asks_nobody_to_sign_in(world: FakeApplication) -> None:
    connection = await requested(world)
    world.entra.revoke(ADA, Refusal("invalid_client", 7000222))
    await world.app.advance(ORG, connection.id)
    assert row_of(world, connection.id).connection.status.state is Health.DEGRADED
    world.entra.accept(ADA)
    await world.run(DAY)
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE


async def test_a_credential_missing_from_the_vault_needs_a_new_sign_in(world: FakeApplication) -> None:
    connection = await requested(world)
    world.vault.deleted.add(row_of(world, connection.id).secret_name)
    await world.app.advance(ORG, connection.id)
    assert row_of(world, connection.id).connection.status.state is Health.NEEDS_RECONNECT


@pytest.mark.parametrize("call", ["vault.get", "entra.refresh", "vault.put"])
async def test_a_passing_fault_pauses_the_run_longer_each_time_and_then_it_succeeds(
    world: FakeApplication, call: str
) -> None:
    connection = await requested(world)
    world.faults.before(call, UpstreamUnavailable("Azure"), times=2)
    for pause in (timedelta(seconds=30), timedelta(minutes=1)):
        await world.app.advance(ORG, connection.id)
        hold = row_of(world, connection.id).hold
        assert hold is not None
        assert hold.until == world.clock() + pause
        await world.app.advance(ORG, connection.id)  # a message that comes early changes nothing
        assert row_of(world, connection.id).hold == hold
        world.clock.advance(pause)
    await world.app.advance(ORG, connection.id)
    assert row_of(world, connection.id).hold is None
    assert outcomes(world, connection.id) == ["success"]


async def test_a_service_that_says_when_to_come_back_is_believed(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.before("entra.refresh", UpstreamUnavailable("Entra", retry_after=120))
    await world.app.advance(ORG, connection.id)
    hold = row_of(world, connection.id).hold
    assert hold is not None
    assert hold.until == world.clock() + timedelta(seconds=120)


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
    assert (row.run, row.hold) == (None, None)
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
    (entry,) = world.records.history(ORG, connection.id)
    assert entry["attempts"] == 2


async def test_an_orphan_of_the_same_second_is_left_to_the_next_sweep(world: FakeApplication) -> None:
    connection = await requested(world)
    world.faults.after("vault.put", Crash())
    with pytest.raises(Crash):
        await world.app.advance(ORG, connection.id)
    world.restart()
    name = row_of(world, connection.id).secret_name
    await world.app.advance(ORG, connection.id)
    assert len(world.vault.readable()[name]) == 2  # nobody can tell which of the two came first
    assert row_of(world, connection.id).sweep_versions
    world.clock.advance(DAY)
    await world.app.connections.rotate(CALLER, connection.id)
    await world.app.advance(ORG, connection.id)
    assert len(world.vault.readable()[name]) == 1
    assert not row_of(world, connection.id).sweep_versions
    active_credential(world, connection.id)


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
            await world.app.connections.rotate(CALLER, connection.id)
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
    await world.app.connections.rotate(CALLER, connection.id)
    await world.app.advance(ORG, connection.id)
    assert len(world.vault.readable()[name]) == 1
    assert set(outcomes(world, connection.id)) == {"success"}


async def test_two_workers_at_once_promote_one_version_and_disable_the_other(world: FakeApplication) -> None:
    connection = await requested(world)
    await asyncio.gather(world.app.advance(ORG, connection.id), world.app.advance(ORG, connection.id))
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
        await world.app.advance(ORG, connection.id)

    (world.faults.after if after else world.faults.before)(point, overtake)
    await world.app.advance(ORG, connection.id)
    active_credential(world, connection.id)
    assert len(world.vault.readable()[name]) == 1
    assert outcomes(world, connection.id) == ["success"]
    await world.run(20 * MINUTE)
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
    world.faults.after("records.deliver", UpstreamTimeout("Table Storage"))
    await world.app.advance(ORG, connection.id)
    await world.run(10 * MINUTE)
    assert outcomes(world, connection.id) == ["success"]
    assert row_of(world, connection.id).outbox == ()
