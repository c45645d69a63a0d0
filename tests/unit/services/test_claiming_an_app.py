"""One connection rotates an app: who claims it keeps others off, and only for as long as that is true."""

from __future__ import annotations

import pytest

from shared.domain.connection import LONGEST_RUN, Connection
from shared.domain.errors import BadRequest, ConcurrentChange, UpstreamTimeout
from tests.fakes.app_authority import App
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import SCHEDULE, app_connection, register, rotating, update
from tests.unit.services.world import MINUTE, delete, row_of


async def two_connections(world: FakeApplication) -> tuple[App, Connection, Connection]:
    """Two connections with the same secret of one app, neither of which rotates it."""
    app = register(world, "first", "another")
    one, other = await app_connection(world, name="one"), await app_connection(world, name="other")
    await update(world, one.id, rotation=SCHEDULE)
    await update(world, other.id, rotation=SCHEDULE)
    return app, one, other


async def enable(world: FakeApplication, connection: Connection, key_id: str) -> None:
    await update(world, connection.id, key_id=key_id, is_auto_rotation_enabled=True)


def is_enabled(world: FakeApplication, connection: Connection) -> bool:
    return row_of(world, connection.id).connection.is_auto_rotation_enabled


async def test_a_second_connection_for_the_app_is_told_of_the_first(world: FakeApplication) -> None:
    app = register(world, "first")
    await rotating(world)
    other = await app_connection(world, name="other")
    with pytest.raises(BadRequest, match='Another App Connection "app" rotates'):
        await update(world, other.id, key_id=app.passwords[0].key_id, is_auto_rotation_enabled=True, rotation=SCHEDULE)


async def test_the_claim_is_free_once_rotation_is_off_or_the_connection_gone(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    assert len(world.claims.claims) == 1
    await update(world, made.id, is_auto_rotation_enabled=False)
    assert world.claims.claims == {}
    await update(world, made.id, is_auto_rotation_enabled=True)
    await delete(world, made.id)
    await world.run(LONGEST_RUN + MINUTE)
    assert world.claims.claims == {}


async def test_an_enabling_that_was_refused_claims_nothing(world: FakeApplication) -> None:
    app, one, other = await two_connections(world)
    with pytest.raises(BadRequest, match="belongs to another client secret"):
        await enable(world, one, app.passwords[1].key_id)
    await enable(world, other, app.passwords[0].key_id)
    assert is_enabled(world, other)


async def test_who_may_be_about_to_rotate_the_app_is_waited_for(world: FakeApplication) -> None:
    app, one, other = await two_connections(world)
    world.faults.after("claims.take", UpstreamTimeout("Table Storage"))
    with pytest.raises(UpstreamTimeout):
        await enable(world, one, app.passwords[0].key_id)
    with pytest.raises(BadRequest, match=r'"one" is rotating .*, or about to; .* Try again in a few minutes'):
        await enable(world, other, app.passwords[0].key_id)
    world.clock.advance(LONGEST_RUN)
    await enable(world, other, app.passwords[0].key_id)


async def test_a_connection_that_is_deleted_makes_room_for_its_successor(world: FakeApplication) -> None:
    register(world, "first")
    await delete(world, (await rotating(world)).id)
    successor = await rotating(world)
    await world.run(LONGEST_RUN + MINUTE)
    assert [claim.connection_id for claim in world.claims.claims.values()] == [successor.id]


async def test_a_creation_that_failed_is_tried_again_at_once(world: FakeApplication) -> None:
    register(world, "first")
    world.faults.before("vault.put", UpstreamTimeout("Key Vault"))
    with pytest.raises(UpstreamTimeout):
        await rotating(world)
    assert is_enabled(world, await rotating(world))


async def test_a_creation_that_failed_leaves_no_claim(world: FakeApplication) -> None:
    register(world, "first")
    world.faults.before("vault.put", UpstreamTimeout("Key Vault"))
    with pytest.raises(UpstreamTimeout):
        await rotating(world)
    await world.run(LONGEST_RUN + MINUTE)
    assert world.claims.claims == {}


async def test_an_old_claim_of_ones_own_is_renewed_before_it_is_relied_upon(world: FakeApplication) -> None:
    app, one, other = await two_connections(world)
    world.faults.before("connections.replace", ConcurrentChange(), times=8)
    with pytest.raises(ConcurrentChange):
        await enable(world, one, app.passwords[0].key_id)
    world.clock.advance(LONGEST_RUN + MINUTE)

    async def the_other_enables_too() -> None:
        with pytest.raises(BadRequest, match="or about to"):
            await enable(world, other, app.passwords[0].key_id)

    world.faults.before("connections.replace", the_other_enables_too)
    await enable(world, one, app.passwords[0].key_id)
    assert (is_enabled(world, one), is_enabled(world, other)) == (True, False)


async def test_who_lost_an_old_claim_meanwhile_is_refused(world: FakeApplication) -> None:
    app, one, other = await two_connections(world)
    world.faults.after("claims.take", UpstreamTimeout("Table Storage"))
    with pytest.raises(UpstreamTimeout):
        await enable(world, one, app.passwords[0].key_id)
    world.clock.advance(LONGEST_RUN + MINUTE)

    async def the_other_is_faster() -> None:
        await enable(world, other, app.passwords[0].key_id)

    world.faults.after("claims.take", the_other_is_faster)
    with pytest.raises(BadRequest, match="Another App Connection is rotating"):
        await enable(world, one, app.passwords[0].key_id)
    assert (is_enabled(world, one), is_enabled(world, other)) == (False, True)
