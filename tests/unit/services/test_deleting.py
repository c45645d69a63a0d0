"""Deleting a connection: gone at once for callers, cleaned when nobody can be using it."""

from __future__ import annotations

import pytest

from shared.domain.connection import LONGEST_RUN
from shared.domain.errors import ConcurrentChange, NotFound, UpstreamUnavailable
from tests.fakes.application import FakeApplication
from tests.fakes.faults import Crash
from tests.unit.services.world import CALLER, MINUTE, MONTHLY, ORG, created, delete, rotate, row_of, wish


async def test_a_deleted_connection_is_gone_at_once_and_its_name_free(world: FakeApplication) -> None:
    connection = await created(world)
    assert await delete(world, connection.id) == connection
    with pytest.raises(NotFound, match=connection.id):
        await world.app.connections.get(CALLER, connection.id)
    with pytest.raises(NotFound):
        await delete(world, connection.id)
    assert await world.app.connections.page(CALLER, None, after=None, limit=10) == ([], None)
    assert (await created(world)).id != connection.id


async def test_the_secret_outlives_the_longest_run_and_no_more(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    await delete(world, connection.id)
    await world.run(LONGEST_RUN - MINUTE)
    assert len(world.vault.readable()) == 1
    await world.run(2 * MINUTE)
    assert world.vault.readable() == {}
    assert world.connections.row(ORG, connection.id) is None
    assert world.due.all() == []


async def test_a_vault_that_is_down_delays_the_purge(world: FakeApplication) -> None:
    connection = await created(world)
    await delete(world, connection.id)
    world.faults.before("vault.delete", UpstreamUnavailable("Key Vault"), times=3)
    await world.run(LONGEST_RUN + MINUTE)
    assert row_of(world, connection.id).holds
    await world.run(20 * MINUTE)
    assert world.vault.readable() == {}
    assert world.connections.row(ORG, connection.id) is None


async def test_a_crash_at_any_call_of_the_purge_is_made_good(world: FakeApplication) -> None:
    for when in (world.faults.before, world.faults.after):
        for call in ("connections.get", "vault.delete", "connections.remove", "due.remove"):
            connection = await created(world)
            await delete(world, connection.id)
            world.clock.advance(LONGEST_RUN + MINUTE)
            when(call, Crash())
            with pytest.raises(Crash):
                await world.app.advance(ORG, connection.id)
            world.restart()
            await world.run(20 * MINUTE)
            assert world.vault.readable() == {}
            assert world.connections.row(ORG, connection.id) is None
            assert world.due.all() == []


async def test_what_is_deleted_is_not_rotated(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    await rotate(world, connection.id)
    await delete(world, connection.id)
    await world.run(LONGEST_RUN + MINUTE)
    assert "entra.refresh" not in world.faults.calls


async def test_a_deletion_during_a_rotation_takes_the_new_version_with_it(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    await rotate(world, connection.id)

    async def overtake() -> None:
        await delete(world, connection.id)

    world.faults.after("vault.put", overtake)
    await world.app.advance(ORG, connection.id)
    await world.run(LONGEST_RUN + MINUTE)
    assert world.vault.readable() == {}
    assert world.connections.row(ORG, connection.id) is None


async def test_a_deletion_that_won_unseen_is_a_success(world: FakeApplication) -> None:
    connection = await created(world)

    async def another_writes_before_we_look() -> None:
        stored = await world.connections.get(ORG, connection.id)
        assert stored is not None
        await world.connections.replace(stored, stored.row.having(write_id="another's"))
        raise ConcurrentChange

    world.faults.after("connections.replace", another_writes_before_we_look)
    assert (await delete(world, connection.id)).id == connection.id
