"""What a failed rotation leaves behind is over with the next run, another credential, or enabling rotation again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from shared.domain.connection import Connection, Health, RotationStatus
from shared.domain.errors import Refusal
from shared.domain.graph_errors import PERMISSION
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.unit.services.apps import app_of, register, rotating, secret, update
from tests.unit.services.rotations import SETTLED, rotation_of
from tests.unit.services.world import CALLER, DAY, MINUTE, MONTHLY, ORG, created, rotate, row_of, wish

Begin = Callable[[FakeApplication, Connection], Awaitable[None]]


async def failing(world: FakeApplication) -> Connection:
    """A connection whose newest run failed for a reason that has been mended since."""
    app = register(world, "first", "second")
    connection = await rotating(world)
    app.may_manage = False
    await rotate(world, connection.id)
    await world.run(SETTLED)
    assert told(world, connection) == (RotationStatus.FAILED, PERMISSION)
    app.may_manage = True
    return connection


def told(world: FakeApplication, connection: Connection) -> tuple[RotationStatus, str | None]:
    rotation = rotation_of(world, connection.id)
    return rotation.rotation_status, rotation.last_rotation_message


async def another_secret(world: FakeApplication, connection: Connection) -> None:
    (key_id,) = [password.key_id for password in app_of(world).passwords if password.value == "second"]
    await update(world, connection.id, secret("second"), key_id=key_id)


async def switched_off_and_on(world: FakeApplication, connection: Connection) -> None:
    await update(world, connection.id, is_auto_rotation_enabled=False)
    assert told(world, connection) == (RotationStatus.FAILED, PERMISSION), "nothing has been done about it yet"
    await update(world, connection.id, is_auto_rotation_enabled=True)


@pytest.mark.parametrize("begin_anew", [another_secret, switched_off_and_on])
async def test_rotation_that_begins_anew_is_not_failing(world: FakeApplication, begin_anew: Begin) -> None:
    connection = await failing(world)
    await begin_anew(world, connection)
    assert told(world, connection) == (RotationStatus.SUCCESS, None)
    first = rotation_of(world, connection.id).next_rotation_at
    assert first is not None
    changed = await update(world, connection.id, rotation={"rotation_interval": 2})
    assert changed.rotation is not None
    assert changed.rotation.next_rotation_at == first - 28 * DAY, "the new interval counts, not a retry's date"


async def test_a_run_under_way_does_not_tell_of_the_former_one(world: FakeApplication) -> None:
    connection = await failing(world)
    await rotate(world, connection.id)
    assert told(world, connection) == (RotationStatus.IN_PROGRESS, None)


async def test_another_credential_during_a_run_leaves_no_message(world: FakeApplication) -> None:
    connection = await failing(world)
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    await another_secret(world, connection)
    assert told(world, connection) == (RotationStatus.SUCCESS, None)


async def test_enabling_while_a_run_by_hand_is_under_way_lets_it_go_on(world: FakeApplication) -> None:
    connection = await failing(world)
    await update(world, connection.id, is_auto_rotation_enabled=False)
    await rotate(world, connection.id)
    await update(world, connection.id, is_auto_rotation_enabled=True)
    assert told(world, connection) == (RotationStatus.IN_PROGRESS, None)
    await world.run(SETTLED)
    assert told(world, connection) == (RotationStatus.SUCCESS, None)


async def test_a_new_secret_that_is_never_accepted_is_told_in_words_for_one_that_nobody_pasted(
    world: FakeApplication,
) -> None:
    app = register(world, "first")
    connection = await rotating(world)
    app.propagation = timedelta(hours=5)
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    (_, issued) = app.passwords
    await world.run(30 * MINUTE)
    text = "The new client secret was not accepted within 15 minutes; the present one stays in use. Rotate again later."
    assert told(world, connection) == (RotationStatus.FAILED, text)
    (record,) = world.history.history(ORG, connection.id)
    assert (record["outcome"], record["keyId"]) == ("failed", issued.key_id)


async def test_an_app_that_is_disabled_meanwhile_is_told_of(world: FakeApplication) -> None:
    register(world, "first")
    connection = await rotating(world)
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    app_of(world).refused_with = Refusal("unauthorized_client", 7000112)
    await world.run(20 * MINUTE)
    assert "The application is disabled" in str(told(world, connection)[1])


async def test_another_credential_during_a_run_records_the_password_that_it_made_obsolete(
    world: FakeApplication,
) -> None:
    connection = await failing(world)
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    issued = app_of(world).passwords[-1].key_id
    await another_secret(world, connection)
    newest = max(world.history.history(ORG, connection.id), key=lambda record: str(record["finishedAt"]))
    assert newest["keyId"] == issued


async def test_a_new_secret_that_is_lost_in_key_vault_is_nobodys_to_submit_again(world: FakeApplication) -> None:
    register(world, "first")
    connection = await rotating(world)
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    passwords = row_of(world, connection.id).passwords
    assert passwords is not None
    assert passwords.pending is not None
    await world.vault.disable(passwords.pending.key.version)
    await world.run(SETTLED)
    text = "The new client secret is missing from Key Vault or unreadable; the present one stays in use."
    assert told(world, connection) == (RotationStatus.FAILED, text)


async def test_a_secret_that_is_accepted_again_does_not_hide_that_the_rotation_failed(world: FakeApplication) -> None:
    connection = await failing(world)
    before = row_of(world, connection.id).connection.status
    assert (before.state, before.reason) == (Health.DEGRADED, PERMISSION)
    for refusal in (Refusal("unauthorized_client", 7000112), Refusal("invalid_grant", 53003)):
        app_of(world).refused_with = refusal
        checked = await world.app.checking(CALLER, connection.id, None)
        assert f"AADSTS{refusal.aadsts}" in str(checked.message)
        app_of(world).refused_with = None
        checked = await world.app.checking(CALLER, connection.id, None)
        assert (checked.state, checked.message) == (Health.DEGRADED, PERMISSION)
        assert told(world, connection) == (RotationStatus.FAILED, PERMISSION)
    await rotate(world, connection.id)
    await world.run(SETTLED)
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE


async def test_a_grant_that_is_accepted_again_is_whole_though_its_rotation_failed(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    world.entra.revoke(ADA)
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    for _ in range(2):
        checked = await world.app.checking(CALLER, connection.id, None)
        assert checked.state is Health.NEEDS_RECONNECT
        world.entra.accept(ADA)
        assert (await world.app.checking(CALLER, connection.id, None)).state is Health.ACTIVE
        world.entra.revoke(ADA)
