"""More that is done while things go wrong: an app's rotation is switched on and off, a connection changes apps."""

from __future__ import annotations

import contextlib

from shared.domain.errors import Conflict
from tests.fakes.application import FakeApplication
from tests.faults.scenarios import (
    SETTLED,
    Scenario,
    a_rotated_app,
    a_rotation_under_way,
    an_app_connection,
    rotate_now,
)
from tests.unit.services.apps import OTHER_ID, SCHEDULE, app_connection, app_of, register, secret, update
from tests.unit.services.world import DAY, rotate


async def not_rotated(world: FakeApplication) -> str:
    """A connection whose secret nobody rotates yet."""
    register(world, "first", "second")
    return (await app_connection(world)).id


async def with_a_debt(world: FakeApplication) -> str:
    """The user's own "first" was replaced and could not be removed, for a reason that is mended now."""
    connection_id = await an_app_connection(world)
    register(world, "of the other", client_id=OTHER_ID)
    app_of(world).may_remove = False
    await rotate(world, connection_id)
    await world.run(SETTLED)
    app_of(world).may_remove = True
    return connection_id


def key_ids(world: FakeApplication) -> dict[str, str]:
    """By secret, of both apps."""
    return {password.value: password.key_id for app in world.apps.apps.values() for password in app.passwords}


async def enable(world: FakeApplication, connection_id: str) -> None:
    """For the first time, and then the first run."""
    await update(world, connection_id, key_id=key_ids(world)["first"], is_auto_rotation_enabled=True, rotation=SCHEDULE)
    await rotate_now(world, connection_id)


async def disable(world: FakeApplication, connection_id: str) -> None:
    await update(world, connection_id, is_auto_rotation_enabled=False)
    await world.run(SETTLED)


async def disable_and_enable(world: FakeApplication, connection_id: str) -> None:
    await update(world, connection_id, is_auto_rotation_enabled=False)
    world.clock.advance(DAY)
    await update(world, connection_id, is_auto_rotation_enabled=True)
    await rotate_now(world, connection_id)


async def move_away_and_back(world: FakeApplication, connection_id: str) -> None:
    """Back with the secret that is still to be removed, which is refused, and then with another one."""
    keys = key_ids(world)
    await update(world, connection_id, secret("of the other", OTHER_ID), key_id=keys["of the other"])
    with contextlib.suppress(Conflict):
        await update(world, connection_id, secret("first"), key_id=keys["first"])
    await update(world, connection_id, secret("second"), key_id=keys["second"])
    await world.run(SETTLED)


SWITCHING = [
    Scenario("enable rotation for the first time", not_rotated, enable),
    Scenario("switch rotation off", a_rotated_app, disable),
    Scenario("switch rotation off during a run", a_rotation_under_way, disable),
    Scenario("switch rotation off and on again", a_rotated_app, disable_and_enable),
    Scenario("move to another app and back with a debt unpaid", with_a_debt, move_away_and_back),
]
