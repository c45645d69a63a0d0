"""A connection whose app this service rotated is deleted: nothing of ours stays, as far as the directory lets us."""

from __future__ import annotations

import pytest

from shared.domain.connection import LONGEST_RUN
from shared.domain.errors import Refusal, UpstreamUnavailable
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import (
    CLIENT_ID,
    SCHEDULE,
    app_connection,
    app_of,
    register,
    rotating,
    secret,
    update,
    values,
)
from tests.unit.services.rotations import SETTLED, rotated
from tests.unit.services.world import DAY, ORG, delete, rotate


async def test_a_deleted_connection_leaves_nothing_of_ours(world: FakeApplication) -> None:
    register(world, "first", "theirs")
    made = await rotating(world)
    await rotated(world, made.id)
    await rotated(world, made.id)
    await rotate(world, made.id)
    await world.app.advance(ORG, made.id)
    await delete(world, made.id)
    await world.run(LONGEST_RUN + SETTLED)
    assert values(world) == ["theirs"]
    assert world.connections.row(ORG, made.id) is None
    assert world.vault.readable() == {}


async def test_a_connection_whose_app_has_vanished_is_still_deleted(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    await rotated(world, made.id)
    await delete(world, made.id)
    del world.apps.apps[secret().tenant_id, CLIENT_ID]
    await world.run(8 * DAY)
    assert world.connections.row(ORG, made.id) is None
    assert world.audit.lines(ORG)[0]["action"] == "rotation.passwords-left"


@pytest.mark.parametrize("call", ["graph.sign_in", "graph.remove_password"])
async def test_a_directory_that_never_answers_blocks_no_deletion_for_ever(world: FakeApplication, call: str) -> None:
    register(world, "first")
    made = await rotating(world)
    await rotated(world, made.id)
    (key_id,) = [password.key_id for password in app_of(world).passwords]
    await delete(world, made.id)
    world.faults.before(call, UpstreamUnavailable("Microsoft Graph"), times=100_000)
    await world.run(6 * DAY)
    assert world.connections.row(ORG, made.id) is not None
    await world.run(2 * DAY)
    assert world.connections.row(ORG, made.id) is None
    (left,) = [line for line in world.audit.lines(ORG) if line["action"] == "rotation.passwords-left"]
    assert f"{key_id} (ends " in str(left["reason"])


async def test_a_disabled_app_is_waited_for_and_nothing_of_ours_forgotten(world: FakeApplication) -> None:
    register(world, "first", "theirs")
    made = await rotating(world)
    await rotated(world, made.id)
    await rotated(world, made.id)
    await delete(world, made.id)
    app_of(world).refused_with = Refusal("unauthorized_client", 7000112)
    await world.run(2 * DAY)
    assert len(values(world)) == 3
    app_of(world).refused_with = None
    await world.run(DAY)
    assert values(world) == ["theirs"]
    assert world.connections.row(ORG, made.id) is None


async def test_after_a_week_a_disabled_app_is_left_alone_and_its_passwords_named(world: FakeApplication) -> None:
    register(world, "first", "theirs")
    made = await app_connection(world, secret("theirs"))
    await update(world, made.id, rotation=SCHEDULE)
    await rotated(world, made.id)
    await update(world, made.id, secret("first"))
    app_of(world).refused_with = Refusal("temporarily_refused", 7000112)
    await delete(world, made.id)
    for _ in range(9):
        world.clock.advance(DAY)
        await world.run(SETTLED)
    assert world.connections.row(ORG, made.id) is None
