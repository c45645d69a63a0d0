"""Rotation of a grant: the refresh token is exchanged, and at every moment the active version works."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.connection import Health, RotationStatus
from shared.domain.errors import NotFound, Refusal, UpstreamUnavailable
from shared.domain.owed import MAX_TRIES
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.unit.services.rotations import outcomes, requested, rotation_of
from tests.unit.services.world import (
    CALLER,
    DAY,
    MINUTE,
    MONTHLY,
    ORG,
    active_credential,
    created,
    due_soon,
    rotate,
    row_of,
    wish,
)


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
    (entry,) = world.history.history(ORG, connection.id)
    assert (entry["outcome"], entry["trigger"], entry["attempts"]) == ("success", "manual", 1)


async def test_a_rotation_asked_for_twice_runs_once(world: FakeApplication) -> None:
    connection = await requested(world)
    assert await rotate(world, connection.id) == connection
    await world.app.advance(ORG, connection.id)
    await world.app.advance(ORG, connection.id)
    assert world.faults.calls.count("entra.refresh") == 1


async def test_a_manual_rotation_works_while_auto_rotation_is_off_and_sets_no_date(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY, enabled=False))
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    rotation = rotation_of(world, connection.id)
    assert rotation.rotation_status is RotationStatus.SUCCESS
    assert rotation.next_rotation_at is None
    assert due_soon(world) == []


async def test_a_connection_without_rotation_cannot_be_rotated(world: FakeApplication) -> None:
    connection = await created(world)
    with pytest.raises(NotFound, match="Credential rotation is not configured"):
        await rotate(world, connection.id)


async def test_a_scheduled_rotation_runs_at_its_date_and_sets_the_next(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    due_at = rotation_of(world, connection.id).next_rotation_at
    assert due_at is not None
    await world.run(due_at - world.clock() - MINUTE)
    assert outcomes(world, connection.id) == []
    world.clock.advance(MINUTE)
    assert len(await world.tick()) == 1
    assert rotation_of(world, connection.id).next_rotation_at == due_at + 30 * DAY
    assert outcomes(world, connection.id) == ["success"]
    (hint,) = world.due.hints(connection.id)
    assert hint.hint.at < due_at + 30 * DAY, "keep-alive comes first"


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


async def test_a_dead_grant_is_rotated_once_it_is_mended_and_not_before(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    world.entra.revoke(ADA)
    await world.app.checking(CALLER, connection.id, None)
    world.faults.calls.clear()
    await world.run(45 * DAY)
    assert (world.faults.calls.count("entra.refresh"), outcomes(world, connection.id)) == (0, [])
    world.entra.accept(ADA)
    await world.app.checking(CALLER, connection.id, None)
    await world.run(10 * MINUTE)
    assert outcomes(world, connection.id) == ["success"]
    planned = rotation_of(world, connection.id).next_rotation_at
    assert planned is not None
    assert planned > world.clock()


async def test_an_outage_during_a_rotation_of_a_dead_grant_takes_its_remedy_from_nobody(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    world.entra.revoke(ADA)
    await world.app.checking(CALLER, connection.id, None)
    dead = row_of(world, connection.id).connection.status
    await rotate(world, connection.id)
    world.faults.before("entra.refresh", UpstreamUnavailable("Microsoft Entra ID"), times=MAX_TRIES)
    await world.run(timedelta(hours=2))
    assert outcomes(world, connection.id) == ["failed"]
    assert row_of(world, connection.id).connection.status == dead
    await rotate(world, connection.id)
    for _ in range(2):
        await world.app.advance.record_poison(ORG, connection.id)
    assert row_of(world, connection.id).run is None
    assert row_of(world, connection.id).connection.status == dead


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
