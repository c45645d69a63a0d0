"""Rotating an app's own password: proven before it is used, and nothing left behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.connection import LONGEST_RUN, Health, Rotation, RotationStatus
from shared.domain.errors import (
    ConcurrentChange,
    Conflict,
    NotFound,
    Refusal,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from shared.domain.graph_errors import HOME_TENANT, PERMISSION, POLICY, TWO_PASSWORDS
from shared.domain.passwords import attempt_of
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import (
    CLIENT_ID,
    active_secret,
    app_connection,
    app_of,
    register,
    rotating,
    secret,
    update,
    values,
)
from tests.unit.services.world import CALLER, DAY, MINUTE, ORG, delete, rotate, row_of

SETTLED = 10 * MINUTE


def rotation_of(world: FakeApplication, connection_id: str) -> Rotation:
    rotation = row_of(world, connection_id).connection.rotation
    assert rotation is not None
    return rotation


async def rotated(world: FakeApplication, connection_id: str) -> None:
    """A rotation by hand, and time for all of it."""
    await rotate(world, connection_id)
    await world.run(SETTLED)
    assert rotation_of(world, connection_id).rotation_status is RotationStatus.SUCCESS


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


class TestChanges:
    """Callers' changes around a rotation."""

    async def test_disabling_says_when_the_last_secret_ends_and_enabling_takes_it_back(
        self, world: FakeApplication
    ) -> None:
        register(world, "first")
        made = await rotating(world)
        await rotated(world, made.id)
        off = await update(world, made.id, is_auto_rotation_enabled=False)
        ends = app_of(world).passwords[0].ends
        assert off.status.state is Health.ACTIVE
        assert f"ends on {ends:%Y-%m-%d}" in str(off.status.reason)
        on = await update(world, made.id, is_auto_rotation_enabled=True)
        assert on.status.reason is None
        await rotated(world, made.id)

    async def test_another_secret_of_the_app_retires_all_that_we_issued(self, world: FakeApplication) -> None:
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

    async def test_another_app_leaves_nothing_of_ours_at_the_former_one(self, world: FakeApplication) -> None:
        other = "c0000000-0000-4000-8000-0000000000a9"
        register(world, "first", "theirs")
        new = register(world, "of the other", client_id=other)
        made = await rotating(world)
        await rotated(world, made.id)
        await rotate(world, made.id)
        await world.app.advance(ORG, made.id)
        await update(world, made.id, secret("of the other", other), key_id=new.passwords[0].key_id)
        await world.run(SETTLED)
        assert values(world) == ["theirs"]
        assert row_of(world, made.id).debts == ()
        assert active_secret(world, made.id).client_id == other
        assert len(world.vault.readable()[row_of(world, made.id).secret_name]) == 1

    async def test_a_deleted_connection_leaves_nothing_of_ours(self, world: FakeApplication) -> None:
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

    async def test_a_connection_whose_app_has_vanished_is_still_deleted(self, world: FakeApplication) -> None:
        register(world, "first")
        made = await rotating(world)
        await rotated(world, made.id)
        await delete(world, made.id)
        del world.apps.apps[secret().tenant_id, CLIENT_ID]
        await world.run(8 * DAY)
        assert world.connections.row(ORG, made.id) is None
        assert world.audit.lines(ORG)[0]["action"] == "rotation.passwords-left"

    @pytest.mark.parametrize("call", ["graph.sign_in", "graph.remove_password"])
    async def test_a_directory_that_never_answers_blocks_no_deletion_for_ever(
        self, world: FakeApplication, call: str
    ) -> None:
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

    async def test_a_disabled_app_is_waited_for_and_nothing_of_ours_forgotten(self, world: FakeApplication) -> None:
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

    async def test_a_secret_that_is_being_removed_cannot_come_back_into_use(self, world: FakeApplication) -> None:
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

    async def test_after_a_week_a_disabled_app_is_left_alone_and_its_passwords_named(
        self, world: FakeApplication
    ) -> None:
        register(world, "first", "theirs")
        made = await app_connection(world, secret("theirs"))
        await update(world, made.id, rotation={"rotation_interval": 9, "rotate_at_utc": {"hours": 1, "minutes": 0}})
        await rotated(world, made.id)
        await update(world, made.id, secret("first"))
        app_of(world).refused_with = Refusal("temporarily_refused", 7000112)
        await delete(world, made.id)
        for _ in range(9):
            world.clock.advance(DAY)
            await world.run(SETTLED)
        assert world.connections.row(ORG, made.id) is None


async def test_a_manual_rotation_without_a_key_id_leaves_the_users_secret_alone(world: FakeApplication) -> None:
    register(world, "first")
    made = await app_connection(world)
    await update(world, made.id, rotation={"rotation_interval": 9, "rotate_at_utc": {"hours": 1, "minutes": 0}})
    await rotated(world, made.id)
    assert values(world) == ["first", active_secret(world, made.id).client_secret]


async def test_a_dry_run_tells_the_plan_and_changes_nothing(world: FakeApplication) -> None:
    register(world, "first")
    made = await rotating(world)
    calls = len(world.faults.calls)
    row, plan = await world.app.connections.forecast(CALLER, made.id)
    assert row.connection == made
    assert (plan.issues, plan.revokes, plan.keeps) == ("app-password", [app_of(world).passwords[0].key_id], [])
    assert plan.ends_at == world.clock() + 63 * DAY
    assert world.faults.calls[calls:] == ["connections.get"]
    with pytest.raises(NotFound):
        await world.app.connections.forecast(CALLER, "00000000-0000-4000-8000-000000000000")


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


async def test_rotation_switched_off_while_a_run_is_under_way_still_says_when_the_last_secret_ends(
    world: FakeApplication,
) -> None:
    register(world, "first")
    connection = await rotating(world)
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    await update(world, connection.id, is_auto_rotation_enabled=False)
    await world.run(20 * MINUTE)
    row = row_of(world, connection.id)
    assert row.passwords is not None
    assert row.passwords.active is not None
    assert row.passwords.active.issued
    assert f"ends on {row.passwords.active.ends_at:%Y-%m-%d}" in str(row.connection.status.reason)


async def test_the_end_of_a_secret_that_was_taken_over_is_known(world: FakeApplication) -> None:
    app = register(world, "first")
    app.passwords[0].ends = world.clock() + 40 * DAY
    connection = await rotating(world)
    off = await update(world, connection.id, is_auto_rotation_enabled=False)
    assert f"ends on {app.passwords[0].ends:%Y-%m-%d}" in str(off.status.reason)
    await world.run(11 * DAY)
    assert row_of(world, connection.id).connection.status.state is Health.DEGRADED
