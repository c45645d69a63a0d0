"""What a failed rotation leaves behind is over with the next run, another credential, or enabling rotation again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from shared.domain.connection import Connection, Rotation, RotationStatus
from shared.domain.graph_errors import PERMISSION
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import app_of, register, rotating, secret, update
from tests.unit.services.world import DAY, MINUTE, ORG, rotate, row_of

SETTLED = 10 * MINUTE

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


def rotation_of(world: FakeApplication, connection: Connection) -> Rotation:
    rotation = row_of(world, connection.id).connection.rotation
    assert rotation is not None
    return rotation


def told(world: FakeApplication, connection: Connection) -> tuple[RotationStatus, str | None]:
    rotation = rotation_of(world, connection)
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
    first = rotation_of(world, connection).next_rotation_at
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
