"""Rotating an app's own password: proven before it is used, and nothing left behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.connection import Health, RotationStatus
from shared.domain.errors import (
    ConcurrentChange,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from shared.domain.graph_errors import HOME_TENANT, PERMISSION, POLICY, TWO_PASSWORDS
from shared.domain.passwords import attempt_of
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import (
    CLIENT_ID,
    SCHEDULE,
    active_secret,
    app_connection,
    app_of,
    register,
    rotating,
    secret,
    update,
    values,
)
from tests.unit.services.rotations import SETTLED, rotated, rotation_of
from tests.unit.services.world import DAY, MINUTE, ORG, rotate, row_of


async def test_the_users_own_secret_is_replaced_and_revoked_after_the_first_promotion(world: FakeApplication) -> None:
    register(world, "first", "somebody else's")
    made = await rotating(world)
    await rotated(world, made.id)
    active = active_secret(world, made.id)
    assert values(world) == ["somebody else's", active.client_secret]
    assert (active.client_id, active.tenant_id) == (CLIENT_ID, secret().tenant_id)
    assert row_of(world, made.id).debts == ()
    assert row_of(world, made.id).connection.credentials_hash == made.credentials_hash
    assert len(world.vault.readable()[row_of(world, made.id).secret_name]) == 1


async def test_the_former_password_stays_good_until_the_next_rotation(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    generations = []
    for _ in range(4):
        await rotated(world, made.id)
        generations.append(active_secret(world, made.id).client_secret)
        assert values(world) == generations[-2:]


async def test_a_password_is_proven_twice_some_seconds_apart_before_it_is_used(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    await rotate(world, made.id)
    await world.app.advance(ORG, made.id)
    assert active_secret(world, made.id).client_secret == "first"
    passwords = row_of(world, made.id).passwords
    assert passwords is not None
    assert passwords.pending is not None
    assert passwords.pending.proven_at == world.clock()
    world.clock.advance(timedelta(seconds=14))
    await world.app.advance(ORG, made.id)
    assert active_secret(world, made.id).client_secret == "first"
    world.clock.advance(timedelta(seconds=1))
    await world.app.advance(ORG, made.id)
    assert active_secret(world, made.id).client_secret != "first"


async def test_a_new_password_ends_after_two_intervals_and_bears_our_name(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world, interval=30)
    started = world.clock()
    await rotate(world, made.id)
    await world.app.advance(ORG, made.id)
    password = app_of(world).passwords[-1]
    assert password.ends == started + 63 * DAY
    assert attempt_of(password.display_name, made.id) is not None


@pytest.mark.parametrize("minutes", [1, 5, 14])
async def test_a_password_that_takes_its_time_to_be_known_is_waited_for(world: FakeApplication, minutes: int) -> None:
    register(world, "first").propagation = minutes * MINUTE
    made = await rotating(world)
    await rotate(world, made.id)
    await world.run(25 * MINUTE)
    assert rotation_of(world, made.id).rotation_status is RotationStatus.SUCCESS
    active_secret(world, made.id)
    assert world.faults.calls.count("graph.add_password") == 1


async def test_a_password_that_is_never_accepted_is_given_up_and_removed(world: FakeApplication) -> None:
    register(world, "first").propagation = timedelta(hours=5)
    made = await rotating(world)
    await rotate(world, made.id)
    await world.run(30 * MINUTE)
    rotation = rotation_of(world, made.id)
    assert rotation.rotation_status is RotationStatus.FAILED
    assert str(rotation.last_rotation_message).startswith("The new client secret was not accepted within 15 minutes")
    assert f"{rotation.next_rotation_at:%m-%d %H:%M}" == "03-03 03:30"
    assert values(world) == ["first"]
    assert active_secret(world, made.id).client_secret == "first"
    assert row_of(world, made.id).connection.status.state is Health.DEGRADED


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ({"may_manage": False}, PERMISSION),
        ({"forbids_secrets": True}, POLICY),
        ({"home": False}, HOME_TENANT),
        ({"holds_two": True}, TWO_PASSWORDS),
    ],
    ids=["permission", "policy", "other tenant", "two passwords"],
)
async def test_what_graph_refuses_fails_the_run_with_a_remedy_and_keeps_the_secret(
    world: FakeApplication, trouble: dict[str, bool], message: str
) -> None:
    app = register(world, "first", "second")
    made = await rotating(world)
    for name, value in trouble.items():
        setattr(app, name, value)
    await rotate(world, made.id)
    await world.run(SETTLED)
    rotation = rotation_of(world, made.id)
    assert (rotation.rotation_status, rotation.last_rotation_message) == (RotationStatus.FAILED, message)
    assert values(world) == ["first", "second"]
    active_secret(world, made.id)


async def test_an_app_of_two_passwords_frees_the_former_one_first(world: FakeApplication) -> None:
    app = register(world, "first")
    app.holds_two = True
    made = await rotating(world)
    for _ in range(3):
        await rotated(world, made.id)
        assert len(values(world)) <= 2
        active_secret(world, made.id)


async def test_an_app_that_is_gone_fails_the_run(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    del world.apps.apps[secret().tenant_id, CLIENT_ID]
    await rotate(world, made.id)
    await world.run(SETTLED)
    assert "was not found in that tenant" in str(rotation_of(world, made.id).last_rotation_message)


async def test_throttling_is_sat_out_as_long_as_graph_says(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    world.faults.before("graph.add_password", UpstreamUnavailable("Microsoft Graph", retry_after=180))
    await rotate(world, made.id)
    await world.app.advance(ORG, made.id)
    await world.run(2 * MINUTE)
    assert world.faults.calls.count("graph.add_password") == 1
    await world.run(SETTLED)
    assert rotation_of(world, made.id).rotation_status is RotationStatus.SUCCESS


async def test_a_password_whose_answer_was_lost_is_found_by_its_name_and_removed(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    world.faults.after("graph.add_password", UpstreamTimeout("Microsoft Graph"))
    await rotated(world, made.id)
    assert values(world) == [active_secret(world, made.id).client_secret]
    assert world.faults.calls.count("graph.add_password") == 2


async def test_a_manual_rotation_without_a_key_id_leaves_the_users_secret_alone(world: FakeApplication) -> None:
    register(world, "first")
    made = await app_connection(world)
    await update(world, made.id, rotation=SCHEDULE)
    await rotated(world, made.id)
    assert values(world) == ["first", active_secret(world, made.id).client_secret]


async def test_a_password_recorded_unseen_is_not_taken_back(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    await rotate(world, made.id)

    async def another_writes_before_we_look() -> None:
        stored = await world.connections.get(ORG, made.id)
        assert stored is not None
        await world.connections.replace(stored, stored.row.having(write_id="another's"))
        raise ConcurrentChange

    world.faults.after("connections.replace", another_writes_before_we_look, nth=2)
    await world.app.advance(ORG, made.id)
    await world.run(SETTLED)
    assert values(world) == [active_secret(world, made.id).client_secret]
    assert world.faults.calls.count("graph.add_password") == 1
