"""A connection that moves to another app while something is owed at the former one, and back."""

from __future__ import annotations

import pytest

from shared.domain.errors import Conflict, UpstreamUnavailable
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import OTHER_ID, active_secret, register, rotating, secret, update, values
from tests.unit.services.world import DAY, MINUTE, rotate


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
