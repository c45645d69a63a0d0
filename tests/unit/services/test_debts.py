"""Passwords that are to be removed: each app is paid for itself, and nothing is given up before its time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.connection import LONGEST_RUN, RotationStatus
from shared.domain.errors import UpstreamTimeout, UpstreamUnavailable
from shared.domain.graph_errors import PERMISSION
from shared.domain.passwords import attempt_of
from tests.fakes.application import FakeApplication
from tests.fakes.faults import Crash
from tests.unit.services.apps import active_secret, app_of, register, rotating, secret, update, values
from tests.unit.services.rotations import rotation_of
from tests.unit.services.world import DAY, MINUTE, ORG, delete, rotate, row_of

SETTLED = 12 * MINUTE
OTHER = "c0000000-0000-4000-8000-0000000000a9"


async def tried(world: FakeApplication, connection_id: str, times: int = 1) -> None:
    """Rotations by hand, whatever becomes of them."""
    for _ in range(times):
        await rotate(world, connection_id)
        await world.run(SETTLED)


def ours(world: FakeApplication, connection_id: str) -> list[str]:
    """The key ids of the managed passwords at the app."""
    return [
        password.key_id
        for password in app_of(world).passwords
        if attempt_of(password.display_name, connection_id) is not None
    ]


async def test_an_app_of_two_passwords_that_lets_none_be_removed_fails_the_run(world: FakeApplication) -> None:
    register(world, "first").holds_two = True
    made = await rotating(world)
    await tried(world, made.id, times=2)
    app_of(world).may_remove = False
    await tried(world, made.id)
    rotation = rotation_of(world, made.id)
    assert (rotation.rotation_status, rotation.last_rotation_message) == (RotationStatus.FAILED, PERMISSION)
    active_secret(world, made.id)
    app_of(world).may_remove = True
    await tried(world, made.id)
    assert rotation_of(world, made.id).rotation_status is RotationStatus.SUCCESS
    assert len(values(world)) <= 2


async def test_a_rotation_right_after_one_whose_revocation_failed_leaves_no_fourth_password(
    world: FakeApplication,
) -> None:
    register(world, "first")
    made = await rotating(world)
    await tried(world, made.id, times=2)
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, len(ours(world, made.id)))

    world.faults.watch = count
    world.faults.before("graph.remove_password", UpstreamUnavailable("Microsoft Graph", retry_after=1800))
    await tried(world, made.id)
    assert row_of(world, made.id).debts != ()
    await tried(world, made.id)
    assert most == 3
    assert len(ours(world, made.id)) == 2


async def test_a_deletion_is_patient_for_a_week_whatever_was_owed_before(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    await tried(world, made.id, times=2)
    app_of(world).may_remove = False
    await tried(world, made.id)
    await world.run(8 * DAY)
    await delete(world, made.id)
    await world.run(2 * DAY)
    assert len(ours(world, made.id)) == 3, "nothing could be removed, and nothing was given up"
    app_of(world).may_remove = True
    await world.run(2 * DAY)
    assert values(world) == []
    assert world.connections.rows(ORG) == []


async def test_an_app_that_refuses_keeps_no_other_waiting(world: FakeApplication) -> None:
    register(world, "first")
    register(world, "of the other", "another of the other", client_id=OTHER)
    made = await rotating(world)
    await tried(world, made.id)
    here, there = values(world), [password.key_id for password in app_of(world, OTHER).passwords]
    app_of(world).may_remove = False
    await update(world, made.id, secret("of the other", OTHER), key_id=there[0])
    await world.run(LONGEST_RUN + SETTLED)
    assert values(world) == here
    app_of(world, OTHER).may_remove = False
    await tried(world, made.id)
    app_of(world).may_remove = True
    await world.run(3 * 60 * MINUTE)
    assert values(world) == []
    assert "of the other" in values(world, OTHER)


@pytest.mark.parametrize("fault", [Crash(), UpstreamTimeout("Microsoft Graph")], ids=["dies", "loses the answer"])
async def test_a_password_added_to_a_former_app_after_it_was_left_is_found(
    world: FakeApplication, fault: BaseException
) -> None:
    register(world, "first")
    other = register(world, "of the other", client_id=OTHER)
    made = await rotating(world)
    await tried(world, made.id)

    async def leave() -> None:
        world.faults.clear()
        await update(world, made.id, secret("of the other", OTHER), key_id=other.passwords[0].key_id)
        await world.app.advance(ORG, made.id)
        world.faults.after("graph.add_password", fault)

    await rotate(world, made.id)
    world.faults.before("graph.add_password", leave)
    try:
        await world.app.advance(ORG, made.id)
    except Crash:
        world.restart()
    assert len(ours(world, made.id)) == 2, "the one of a worker that did not know better"
    await world.run(LONGEST_RUN + SETTLED)
    assert values(world) == []
    assert row_of(world, made.id).debts == ()


async def test_a_secret_that_was_refused_once_is_not_taken_for_removed(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    await tried(world, made.id)
    app_of(world).passwords[0].known_from = world.clock() + LONGEST_RUN + 3 * MINUTE
    await delete(world, made.id)
    await world.run(timedelta(hours=2))
    assert values(world) == []
    assert world.connections.rows(ORG) == []
