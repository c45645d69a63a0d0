"""Changing a connection: what is sent changes, what is not stays, and nothing is lost or mixed on the way."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest

from shared.domain.connection import LONGEST_RUN, LONGEST_SKEW, Health
from shared.domain.credential import Federated
from shared.domain.editing import RotationEdit
from shared.domain.errors import (
    BadRequest,
    ConcurrentChange,
    Conflict,
    ConnectionBroken,
    GrantRefused,
    NameTaken,
    NotFound,
    PreconditionFailed,
    Refusal,
    UpstreamTimeout,
)
from shared.domain.schedule import RotateAt
from tests.fakes.application import FakeApplication
from tests.fakes.faults import Crash
from tests.unit.services.apps import CLIENT_ID, app_connection, register, rotating, secret, update, values
from tests.unit.services.world import (
    CALLER,
    DAY,
    MINUTE,
    MONTHLY,
    ORG,
    created,
    delete,
    due_soon,
    rotate,
    row_of,
    wish,
    working_with_clock_ahead,
)

MISSING = "00000000-0000-4000-8000-000000000000"


async def readable(world: FakeApplication, connection_id: str) -> list[str]:
    """The values that Key Vault would still give out for a connection, newest last."""
    return [version.value for version in world.vault.readable().get(row_of(world, connection_id).secret_name, [])]


async def test_what_is_sent_changes_and_what_is_not_stays(world: FakeApplication) -> None:
    made = await created(world, wish(rotation=MONTHLY))
    world.clock.advance(DAY)
    changed = await update(world, made.id, name="renamed", description="for payments")
    assert (changed.name, changed.description, changed.updated_at) == ("renamed", "for payments", world.clock())
    assert changed.rotation == made.rotation
    assert changed.credentials_hash == made.credentials_hash
    assert (await update(world, made.id, description=None)).description is None


async def test_an_update_that_changes_nothing_writes_nothing(world: FakeApplication) -> None:
    made = await created(world, wish(rotation=MONTHLY))
    world.clock.advance(DAY)
    before = world.faults.calls.count("connections.replace")
    assert await update(world, made.id, name=made.name, is_auto_rotation_enabled=True) == made
    assert world.faults.calls.count("connections.replace") == before


async def test_a_name_in_use_is_refused_and_the_old_one_kept(world: FakeApplication) -> None:
    await created(world, wish("taken"))
    made = await created(world)
    with pytest.raises(NameTaken, match='"taken" already exists'):
        await update(world, made.id, name="taken")
    assert row_of(world, made.id).connection == made
    await created(world, wish("renamed"))
    await update(world, made.id, name="fresh")
    assert (await created(world)).name == "prod-vault"


async def test_what_does_not_exist_cannot_be_changed(world: FakeApplication) -> None:
    made = await created(world)
    await delete(world, made.id)
    for connection_id in (made.id, MISSING):
        with pytest.raises(NotFound):
            await update(world, connection_id, name="x")


async def test_rotation_needs_both_parts_the_first_time(world: FakeApplication) -> None:
    made = await created(world)
    for edit, missing in (
        (None, ["rotationInterval", "rotateAtUtc"]),
        (RotationEdit(rotation_interval=3), ["rotateAtUtc"]),
        (RotationEdit(rotate_at_utc=RotateAt(hours=1, minutes=2)), ["rotationInterval"]),
    ):
        text = "Rotation interval and schedule are required when enabling rotation"
        with pytest.raises(BadRequest, match=text) as refused:
            await update(world, made.id, is_auto_rotation_enabled=True, rotation=edit)
        assert [problem.path for problem in refused.value.problems] == [("rotation", name) for name in missing]
    whole = RotationEdit(rotation_interval=3, rotate_at_utc=RotateAt(hours=11, minutes=0))
    changed = await update(world, made.id, is_auto_rotation_enabled=True, rotation=whole)
    assert changed.rotation is not None
    assert f"{changed.rotation.next_rotation_at:%m-%d %H:%M}" == "03-05 11:00"  # enabled on 03-02 before 11:00


async def test_disabling_keeps_the_schedule_and_enabling_again_starts_from_now(world: FakeApplication) -> None:
    made = await created(world, wish(rotation=MONTHLY))
    off = await update(world, made.id, is_auto_rotation_enabled=False)
    assert off.rotation is not None
    assert (off.is_auto_rotation_enabled, off.rotation.rotation_interval, off.rotation.next_rotation_at) == (
        False, 30, None,
    )  # fmt: skip
    assert [row for row in due_soon(world) if row.connection_id == made.id] == []
    assert (await update(world, made.id, name="renamed")).is_auto_rotation_enabled is False
    world.clock.advance(10 * DAY)
    on = await update(world, made.id, is_auto_rotation_enabled=True)
    assert on.rotation is not None
    assert f"{on.rotation.next_rotation_at:%m-%d %H:%M}" == "04-12 03:30"
    (hint,) = world.due.hints(made.id)
    assert on.rotation.next_rotation_at is not None
    assert hint.hint.at <= on.rotation.next_rotation_at


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (RotationEdit(rotation_interval=10), "03-13 03:30"),
        (RotationEdit(rotate_at_utc=RotateAt(hours=23, minutes=5)), "04-02 23:05"),
        (RotationEdit(rotation_interval=1), "03-05 03:30"),
        (RotationEdit(rotation_interval=1, rotate_at_utc=RotateAt(hours=12, minutes=0)), "03-04 12:00"),
    ],
)
async def test_another_schedule_counts_from_the_newest_run_and_never_back_in_time(
    world: FakeApplication, edit: RotationEdit, expected: str
) -> None:
    made = await created(world, wish(rotation=MONTHLY))  # on 03-02 at 10:00: the first run is planned for 04-02
    world.clock.advance(2 * DAY)
    changed = await update(world, made.id, rotation=edit)
    assert changed.rotation is not None
    assert f"{changed.rotation.next_rotation_at:%m-%d %H:%M}" == expected


async def test_rotation_is_refused_where_the_method_has_none(world: FakeApplication) -> None:
    register(world).trusts_identity = True
    made = await app_connection(world, Federated(client_id=CLIENT_ID, tenant_id=secret().tenant_id))
    with pytest.raises(BadRequest, match="not supported for azure-key-vault connections with federated method"):
        await update(world, made.id, is_auto_rotation_enabled=True)


async def test_new_credentials_are_proven_stored_and_the_old_ones_retired(world: FakeApplication) -> None:
    register(world, "first", "second")
    made = await app_connection(world)
    changed = await update(world, made.id, secret("second"))
    assert changed.credentials_hash != made.credentials_hash
    (value,) = await readable(world, made.id)
    assert "second" in value
    assert row_of(world, made.id).sweep_at is None


async def test_credentials_that_entra_refuses_change_nothing(world: FakeApplication) -> None:
    register(world, "first")
    made = await app_connection(world)
    with pytest.raises(GrantRefused):
        await update(world, made.id, secret("wrong"), name="renamed")
    assert row_of(world, made.id).connection == made
    assert len(await readable(world, made.id)) == 1


async def test_the_same_credentials_again_are_no_change_but_their_key_id_is_kept(world: FakeApplication) -> None:
    register(world, "first")
    made = await app_connection(world)
    calls = world.faults.calls.count("apps.app_token")
    assert await update(world, made.id, secret(), key_id="a-key-id") == made
    assert world.faults.calls.count("apps.app_token") == calls
    assert row_of(world, made.id).secret_key_id == "a-key-id"


async def test_new_credentials_mend_a_connection_that_did_not_work(world: FakeApplication) -> None:
    register(world, "first", "second")
    made = await app_connection(world)
    stored = await world.connections.get(ORG, made.id)
    assert stored is not None
    await world.connections.replace(stored, stored.row.judged(Health.DEGRADED, "expired", world.clock()))
    assert (await update(world, made.id, secret("second"))).status.state is Health.ACTIVE


async def test_the_same_secret_again_mends_a_connection_whose_stored_one_is_lost(world: FakeApplication) -> None:
    register(world, "first")
    made = await app_connection(world)
    await world.vault.disable(str(row_of(world, made.id).active_version))
    with pytest.raises(ConnectionBroken, match="Submit the credential again"):
        await world.app.tokens.token(CALLER, made.id)
    assert (await update(world, made.id, secret("first"))).status.state is Health.ACTIVE
    assert (await world.app.checking(CALLER, made.id, None)).state is Health.ACTIVE
    assert len(await readable(world, made.id)) == 1


async def test_the_same_secret_again_mends_a_connection_that_entra_accepts_again(world: FakeApplication) -> None:
    app = register(world, "first")
    made = await app_connection(world)
    app.refused_with = Refusal("invalid_grant", 53003)
    assert (await world.app.checking(CALLER, made.id, None)).state is Health.NEEDS_RECONNECT
    with pytest.raises(GrantRefused):
        await update(world, made.id, secret("first"))
    assert row_of(world, made.id).connection.status.state is Health.NEEDS_RECONNECT
    app.refused_with = None
    assert (await update(world, made.id, secret("first"))).status.state is Health.ACTIVE


async def test_a_secret_that_was_rotated_away_does_not_mend_a_connection_whose_stored_one_is_lost(
    world: FakeApplication,
) -> None:
    register(world, "first")
    made = await rotating(world)
    await rotate(world, made.id)
    await world.run(20 * MINUTE)
    assert "first" not in values(world)
    issued = row_of(world, made.id).active_version
    await world.vault.disable(str(issued))
    assert (await world.app.checking(CALLER, made.id, None)).state is Health.NEEDS_RECONNECT
    with pytest.raises(GrantRefused, match="client secret is not accepted"):
        await update(world, made.id, secret("first"))
    row = row_of(world, made.id)
    assert (row.active_version, row.connection.status.state) == (issued, Health.NEEDS_RECONNECT)


async def test_an_etag_of_another_version_is_refused_before_anything_is_spent(world: FakeApplication) -> None:
    register(world, "first", "second")
    made = await app_connection(world)
    await update(world, made.id, name="renamed")
    calls = world.faults.calls.count("apps.app_token")
    with pytest.raises(PreconditionFailed):
        await update(world, made.id, secret("second"), revisions=frozenset({1}))
    assert world.faults.calls.count("apps.app_token") == calls
    assert (await update(world, made.id, name="again", revisions=frozenset({2, 7}))).name == "again"


async def test_of_two_updates_at_once_one_wins_and_nothing_is_mixed(world: FakeApplication) -> None:
    register(world, "first", "second", "third")
    made = await app_connection(world)
    world.faults.slow(0.001)
    outcomes = await asyncio.gather(
        update(world, made.id, secret("second"), description="second"),
        update(world, made.id, secret("third"), description="third"),
        return_exceptions=True,
    )
    assert sorted(isinstance(outcome, Conflict) for outcome in outcomes) == [False, True]
    (value,) = await readable(world, made.id)
    assert str(row_of(world, made.id).connection.description) in value


async def test_background_work_meanwhile_is_no_obstacle(world: FakeApplication) -> None:
    made = await created(world, wish(rotation=MONTHLY))
    await rotate(world, made.id)

    async def work() -> None:
        await world.app.advance(ORG, made.id)

    world.faults.before("connections.replace", work)
    assert (await update(world, made.id, name="renamed")).name == "renamed"
    row = row_of(world, made.id)
    assert (row.connection.name, row.run) == ("renamed", None)
    assert row.connection.rotation is not None
    assert row.connection.rotation.last_rotated_at == world.clock()


async def test_an_update_during_a_rotation_does_not_cost_the_rotation(world: FakeApplication) -> None:
    made = await created(world, wish(rotation=MONTHLY))
    await rotate(world, made.id)

    async def rename() -> None:
        await update(world, made.id, name="renamed")

    world.faults.after("vault.put", rename)
    await world.app.advance(ORG, made.id)
    row = row_of(world, made.id)
    assert (row.connection.name, row.run) == ("renamed", None)
    assert world.faults.calls.count("entra.refresh") == 1


async def test_a_write_that_won_unseen_is_not_undone_by_a_third_writer(world: FakeApplication) -> None:
    register(world, "first", "second")
    made = await app_connection(world)

    async def another_writes_before_we_look() -> None:
        stored = await world.connections.get(ORG, made.id)
        assert stored is not None
        await world.connections.replace(stored, stored.row.having(write_id="another's"))
        raise ConcurrentChange

    world.faults.after("connections.replace", another_writes_before_we_look, nth=2)
    changed = await update(world, made.id, secret("second"))
    assert changed.credentials_hash != made.credentials_hash
    (value,) = await readable(world, made.id)
    assert "second" in value


async def test_a_name_in_use_is_told_before_a_credential_is_proven(world: FakeApplication) -> None:
    register(world, "first", "second")
    await created(world, wish("taken"))
    made = await app_connection(world)
    calls = world.faults.calls.count("apps.app_token")
    with pytest.raises(NameTaken):
        await update(world, made.id, secret("second"), name="taken")
    assert world.faults.calls.count("apps.app_token") == calls


async def test_of_two_secrets_on_their_way_the_one_that_lost_is_swept(world: FakeApplication) -> None:
    register(world, "first", "second", "third")
    made = await app_connection(world)

    async def another_wins() -> None:
        await update(world, made.id, secret("second"))
        raise UpstreamTimeout("Key Vault")

    world.faults.after("vault.put", another_wins)
    with pytest.raises(UpstreamTimeout):
        await update(world, made.id, secret("third"))
    await world.run(LONGEST_RUN + 10 * MINUTE)
    (value,) = await readable(world, made.id)
    assert "second" in value


async def test_an_instance_whose_clock_is_ahead_does_not_sweep_the_secret_on_its_way(world: FakeApplication) -> None:
    register(world, "first", "second")
    made = await app_connection(world)
    world.faults.after("vault.put", working_with_clock_ahead(world, made.id, LONGEST_SKEW))
    await update(world, made.id, secret("second"))
    (value,) = await readable(world, made.id)
    assert "second" in value


async def test_a_secret_that_may_have_been_swept_is_not_promoted(world: FakeApplication) -> None:
    register(world, "first", "second")
    made = await app_connection(world)
    world.faults.after("vault.put", working_with_clock_ahead(world, made.id, 3 * LONGEST_SKEW))
    with pytest.raises(ConcurrentChange):
        await update(world, made.id, secret("second"))
    assert row_of(world, made.id).connection == made
    (value,) = await readable(world, made.id)
    assert "first" in value


async def test_a_deletion_during_an_update_wins(world: FakeApplication) -> None:
    register(world, "first", "second")
    made = await app_connection(world)

    async def overtake() -> None:
        await world.app.connections.delete(CALLER, made.id)

    world.faults.after("vault.put", overtake)
    with pytest.raises(NotFound):
        await update(world, made.id, secret("second"))
    await world.run(LONGEST_RUN + MINUTE)
    assert world.vault.readable() == {}


@pytest.mark.parametrize("fault", [Crash(), UpstreamTimeout("Azure")], ids=["crash", "time-out"])
async def test_a_fault_at_any_call_of_an_update_leaves_the_old_or_the_new_credential(
    world: FakeApplication, fault: BaseException
) -> None:
    register(world, *(f"secret-{number}" for number in range(60)))
    made = await app_connection(world, secret("secret-0"))
    mark = len(world.faults.calls)
    await update(world, made.id, secret("secret-1"))
    calls = len(world.faults.calls) - mark
    number = 1
    for position in range(1, calls + 1):
        for when in (world.faults.before, world.faults.after):
            number += 1
            former = row_of(world, made.id).active_version
            when("*", fault, nth=position)
            with contextlib.suppress(Crash, UpstreamTimeout):
                await update(world, made.id, secret(f"secret-{number}"), description=f"{number}")
            world.restart()
            await world.run(timedelta(minutes=20))
            row = row_of(world, made.id)
            (value,) = await readable(world, made.id)
            is_new = f'"secret-{number}"' in value
            assert (row.active_version != former) == is_new
            assert (row.connection.description == f"{number}") == is_new
            assert (row.sweep_at, row.superseded, row.outbox) == (None, (), ())
    assert number > 10
