"""Enabling rotation: what stands in its way is told at once, and one connection rotates an app."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.errors import BadRequest
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import SCHEDULE, active_secret, app_connection, register, rotating, secret, update, values
from tests.unit.services.world import CALLER, MINUTE, ORG, rotate, row_of


@pytest.mark.parametrize(
    ("key", "text"),
    [("of another", "belongs to another client secret"), ("unknown", "is not among the client secrets")],
)
async def test_the_key_id_must_be_the_submitted_secrets(world: FakeApplication, key: str, text: str) -> None:
    app = register(world, "first", "other")
    made = await app_connection(world)
    await update(world, made.id, rotation=SCHEDULE)
    key_id = app.passwords[1].key_id if key == "of another" else "00000000-0000-4000-8000-000000000009"
    with pytest.raises(BadRequest, match=text):
        await update(world, made.id, key_id=key_id, is_auto_rotation_enabled=True)
    assert row_of(world, made.id).connection.is_auto_rotation_enabled is False


async def test_without_a_key_id_it_is_asked_for(world: FakeApplication) -> None:
    register(world, "first")
    made = await app_connection(world)
    with pytest.raises(BadRequest, match="Client Secret Key ID is required"):
        await update(world, made.id, is_auto_rotation_enabled=True, rotation=SCHEDULE)


@pytest.mark.parametrize("name", ["oauth_client_id", "api_audience"])
async def test_the_services_own_apps_are_not_managed(world: FakeApplication, name: str) -> None:
    own = getattr(world.settings, name)
    app = register(world, "first", client_id=own)
    made = await app_connection(world, secret(client_id=own))
    with pytest.raises(BadRequest, match="own app registrations"):
        await update(world, made.id, key_id=app.passwords[0].key_id, is_auto_rotation_enabled=True, rotation=SCHEDULE)


async def test_nor_are_they_rotated_by_hand(world: FakeApplication) -> None:
    own = world.settings.oauth_client_id
    app = register(world, "first", client_id=own)
    made = await app_connection(world, secret(client_id=own), key_id=app.passwords[0].key_id)
    await update(world, made.id, rotation=SCHEDULE)
    await rotate(world, made.id)
    await world.run(10 * MINUTE)
    assert values(world, own) == ["first"]
    rotation = row_of(world, made.id).connection.rotation
    assert rotation is not None
    assert "own app registrations" in str(rotation.last_rotation_message)


async def test_a_secret_that_a_failed_run_by_hand_did_not_know_is_replaced_and_revoked_all_the_same(
    world: FakeApplication,
) -> None:
    app = register(world, "first")
    made = await app_connection(world)
    await update(world, made.id, rotation=SCHEDULE)
    app.propagation = timedelta(hours=3)
    await rotate(world, made.id)
    await world.run(30 * MINUTE)
    passwords = row_of(world, made.id).passwords
    assert passwords is not None
    assert passwords.active is None
    app.propagation = timedelta()
    await update(world, made.id, key_id=app.passwords[0].key_id, is_auto_rotation_enabled=True)
    _, plan = await world.app.connections.forecast(CALLER, made.id)
    assert plan.revokes == [app.passwords[0].key_id]
    await rotate(world, made.id)
    await world.run(10 * MINUTE)
    assert values(world) == [active_secret(world, made.id).client_secret]


async def test_a_run_by_hand_under_way_is_no_obstacle_to_knowing_the_users_secret(world: FakeApplication) -> None:
    app = register(world, "first")
    made = await app_connection(world)
    await update(world, made.id, rotation=SCHEDULE)
    await rotate(world, made.id)
    await world.app.advance(ORG, made.id)
    await update(world, made.id, key_id=app.passwords[0].key_id, is_auto_rotation_enabled=True)
    await world.run(10 * MINUTE)
    assert values(world) == [active_secret(world, made.id).client_secret]


async def test_a_secret_whose_beginning_the_directory_does_not_tell_cannot_be_taken_over(
    world: FakeApplication,
) -> None:
    app = register(world, "first")
    app.passwords[0].tells_hint = False
    with pytest.raises(BadRequest, match="does not tell how the client secret of that Key ID begins"):
        await rotating(world)
