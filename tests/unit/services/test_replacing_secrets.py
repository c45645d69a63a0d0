"""Callers give a rotating connection another secret, or another app and back, while something is owed or under way."""

from __future__ import annotations

import pytest

from shared.domain.errors import Conflict, UpstreamUnavailable
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import (
    OTHER_ID,
    active_secret,
    register,
    rotating,
    secret,
    update,
    values,
)
from tests.unit.services.rotations import SETTLED, rotated
from tests.unit.services.world import DAY, MINUTE, ORG, rotate, row_of


async def test_another_secret_of_the_app_retires_all_that_we_issued(world: FakeApplication) -> None:
    app = register(world, "first", "by hand")
    made = await rotating(world)
    await rotated(world, made.id)
    await rotated(world, made.id)
    await rotate(world, made.id)
    await world.app.advance(ORG, made.id)  # issued, not yet proven
    assert len(values(world)) == 4
    key_id = next(password.key_id for password in app.passwords if password.value == "by hand")
    await update(world, made.id, secret("by hand"), key_id=key_id)
    await world.run(SETTLED)
    assert values(world) == ["by hand"]
    assert active_secret(world, made.id).client_secret == "by hand"
    assert row_of(world, made.id).run is None
    await rotated(world, made.id)
    assert "by hand" not in values(world)


async def test_another_app_leaves_nothing_of_ours_at_the_former_one(world: FakeApplication) -> None:
    register(world, "first", "theirs")
    new = register(world, "of the other", client_id=OTHER_ID)
    made = await rotating(world)
    await rotated(world, made.id)
    await rotate(world, made.id)
    await world.app.advance(ORG, made.id)
    await update(world, made.id, secret("of the other", OTHER_ID), key_id=new.passwords[0].key_id)
    await world.run(SETTLED)
    assert values(world) == ["theirs"]
    assert row_of(world, made.id).debts == ()
    assert active_secret(world, made.id).client_id == OTHER_ID
    assert len(world.vault.readable()[row_of(world, made.id).secret_name]) == 1


async def test_a_secret_that_is_being_removed_cannot_come_back_into_use(world: FakeApplication) -> None:
    app = register(world, "first", "second")
    keys = {password.value: password.key_id for password in app.passwords}
    made = await rotating(world)
    world.faults.before("graph.remove_password", UpstreamUnavailable("Microsoft Graph"), times=50)
    await rotated(world, made.id)
    await update(world, made.id, secret("second"), key_id=keys["second"])
    with pytest.raises(Conflict, match="still being removed"):
        await update(world, made.id, secret("first"), key_id=keys["first"])
    world.faults.clear()
    await world.run(DAY)
    assert values(world) == ["second"]
    active_secret(world, made.id)


async def moved_with_a_debt(world: FakeApplication) -> tuple[str, dict[str, str]]:
    """A connection at its second app, whose user's secret "first" the first app has still to lose; its key ids."""
    app = register(world, "first", "second")
    other = register(world, "of the other", client_id=OTHER_ID)
    keys = {password.value: password.key_id for password in (*app.passwords, *other.passwords)}
    connection_id = (await rotating(world)).id
    world.faults.before("graph.remove_password", UpstreamUnavailable("Microsoft Graph"), times=50)
    await rotate(world, connection_id)
    await world.run(10 * MINUTE)
    await update(world, connection_id, secret("of the other", OTHER_ID), key_id=keys["of the other"])
    return connection_id, keys


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_secret_that_the_former_app_still_has_to_lose_cannot_come_back_into_use(
    world: FakeApplication, enabled: bool
) -> None:
    connection_id, keys = await moved_with_a_debt(world)
    with pytest.raises(Conflict, match="still being removed"):
        await update(world, connection_id, secret("first"), key_id=keys["first"], is_auto_rotation_enabled=enabled)
    world.faults.clear()
    await world.run(DAY)
    assert values(world) == ["second"]
    assert active_secret(world, connection_id).client_id == OTHER_ID


async def test_another_secret_of_the_former_app_is_taken(world: FakeApplication) -> None:
    connection_id, keys = await moved_with_a_debt(world)
    await update(world, connection_id, secret("second"), key_id=keys["second"])
    world.faults.clear()
    await world.run(DAY)
    assert values(world) == ["second"]
    assert active_secret(world, connection_id).client_secret == "second"
