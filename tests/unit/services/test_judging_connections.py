"""What using a connection says of it: judged by the credential in use, only for good reasons, and mended again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.connection import Health
from shared.domain.errors import ConnectionBroken, NotFound, Refusal, UpstreamUnavailable
from shared.services.tokens import FRESH, REFUSAL_KEPT
from shared.services.using import MAX_CREDENTIALS
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.unit.services.apps import app_connection, register, rotating, secret, update
from tests.unit.services.handed_out import calls, token
from tests.unit.services.links import again, signed_in
from tests.unit.services.world import (
    CALLER,
    MINUTE,
    MONTHLY,
    ORG,
    active_credential,
    created,
    delete,
    rotate,
    row_of,
    wish,
)

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "refusal",
    [Refusal("invalid_grant", 50173), Refusal("interaction_required", 50076), Refusal("invalid_grant", 65001)],
)
async def test_a_dead_grant_is_told_with_its_reason_and_not_tried_again(
    world: FakeApplication, refusal: Refusal
) -> None:
    connection = await created(world)
    world.entra.revoke(ADA, refusal)
    with pytest.raises(ConnectionBroken) as told:
        await token(world, connection.id)
    status = row_of(world, connection.id).connection.status
    assert status.state is Health.NEEDS_RECONNECT
    assert told.value.details["reason"] == status.reason
    assert f"AADSTS{refusal.aadsts}" in told.value.details["reason"]
    world.faults.calls.clear()
    world.clock.advance(timedelta(days=1))
    for _ in range(3):
        with pytest.raises(ConnectionBroken):
            await token(world, connection.id)
    assert calls(world, "entra.refresh") == 0
    assert calls(world, "connections.replace") == 0


@pytest.mark.parametrize("fault", ["entra.refresh", "vault.get"])
async def test_a_passing_fault_judges_nothing(world: FakeApplication, fault: str) -> None:
    connection = await created(world)
    world.faults.before(fault, UpstreamUnavailable("Microsoft Entra ID", retry_after=7))
    with pytest.raises(UpstreamUnavailable):
        await token(world, connection.id)
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE
    assert (await token(world, connection.id)).access_token


async def test_before_a_judgement_the_credential_that_is_in_use_by_now_is_tried(world: FakeApplication) -> None:
    """This process read the row, then another one rotated the credential and the old one was disabled."""
    connection = await created(world, wish(rotation=MONTHLY))

    async def rotated() -> None:
        world.faults.clear()
        await rotate(world, connection.id)
        await world.app.advance(ORG, connection.id)

    world.faults.before("vault.get", rotated)
    assert (await token(world, connection.id)).access_token
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE


async def test_a_refusal_of_a_credential_that_was_replaced_meanwhile_judges_nothing(world: FakeApplication) -> None:
    """This process read the old refresh token; when it came to Entra, that was over and another one in use."""
    connection = await created(world, wish(rotation=MONTHLY))
    old = active_credential(world, connection.id)

    async def replaced() -> None:
        world.faults.clear()
        await rotate(world, connection.id)
        await world.app.advance(ORG, connection.id)
        world.entra.forget(old.refresh_token)

    world.faults.before("entra.refresh", replaced)
    world.faults.calls.clear()
    before = row_of(world, connection.id).connection.status
    assert (await token(world, connection.id)).access_token
    assert calls(world, "entra.refresh") == 3, "the old one, the rotation, the new one"
    assert row_of(world, connection.id).connection.status == before


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", [2, 3])
async def test_a_connection_that_is_mended_before_the_judgement_is_written_is_used(
    world: FakeApplication, nth: int, when: str
) -> None:
    """It was read for the request, then again before the judgement, then once more to write it."""
    connection = await created(world)
    world.entra.forget(active_credential(world, connection.id).refresh_token)

    async def mended() -> None:
        world.faults.clear()
        await signed_in(world, await again(world, connection.id))

    getattr(world.faults, when)("connections.get", mended, nth=nth)
    assert (await token(world, connection.id)).access_token
    assert world.faults.fired == 1
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", [2, 3])
async def test_a_connection_that_is_deleted_before_the_judgement_is_written_does_not_exist(
    world: FakeApplication, nth: int, when: str
) -> None:
    connection = await created(world)
    world.entra.revoke(ADA)

    async def deleted() -> None:
        world.faults.clear()
        await delete(world, connection.id)

    getattr(world.faults, when)("connections.get", deleted, nth=nth)
    with pytest.raises(NotFound):
        await token(world, connection.id)
    assert world.faults.fired == 1


async def test_a_credential_that_is_replaced_each_time_it_is_tried_judges_nothing(world: FakeApplication) -> None:
    connection = await created(world)

    async def replaced() -> None:
        old = active_credential(world, connection.id)
        await signed_in(world, await again(world, connection.id))
        world.entra.forget(old.refresh_token)

    world.faults.before("entra.refresh", replaced, times=MAX_CREDENTIALS)
    with pytest.raises(UpstreamUnavailable, match="being replaced"):
        await token(world, connection.id)
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE
    assert (await token(world, connection.id)).access_token


async def test_a_token_of_a_credential_that_was_replaced_meanwhile_does_not_outlive_its_minute(
    world: FakeApplication,
) -> None:
    """The token came of a credential that was thought dead; before that was written, another one came into use."""
    app = register(world, "first", "second")
    connection = await app_connection(world)
    app.refused_with = Refusal("unauthorized_client", 7000112)
    with pytest.raises(ConnectionBroken):
        await token(world, connection.id)
    app.refused_with = None
    world.clock.advance(REFUSAL_KEPT)

    async def replaced() -> None:
        world.faults.clear()
        await update(world, connection.id, secret("second"))

    world.faults.after("apps.app_token", replaced)
    first = await token(world, connection.id)
    world.clock.advance(FRESH + SECOND)
    assert await token(world, connection.id) != first


@pytest.mark.parametrize("late", ["vault.get", "apps.app_token"])
async def test_an_app_password_that_was_rotated_and_revoked_meanwhile_judges_nothing(
    world: FakeApplication, late: str
) -> None:
    app = register(world, "first")
    connection = await rotating(world)

    async def rotated() -> None:
        world.faults.clear()
        await rotate(world, connection.id)
        await world.run(12 * MINUTE)
        assert "first" not in [password.value for password in app.passwords]

    world.faults.before(late, rotated)
    assert (await token(world, connection.id)).access_token
    assert world.faults.fired == 1
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE
    assert row_of(world, connection.id).refused is None


async def test_a_connection_that_was_mended_elsewhere_is_served_before_its_row_is_a_minute_old(
    world: FakeApplication,
) -> None:
    """A token in memory outlived the grant; when it ended, the row read last still said that the grant was dead."""
    connection = await created(world)
    first = await token(world, connection.id)
    world.entra.revoke(ADA)
    other = world.another_process()
    await other.checking(CALLER, connection.id, None)
    assert row_of(world, connection.id).connection.status.state is Health.NEEDS_RECONNECT
    world.clock.advance(first.expires_at - world.clock() - timedelta(minutes=5, seconds=10))
    assert await token(world, connection.id) == first
    world.entra.accept(ADA)
    await other.checking(CALLER, connection.id, None)
    world.clock.advance(20 * SECOND)
    assert await token(world, connection.id) != first


async def test_what_another_process_judged_since_the_row_was_read_is_taken_back_by_a_token(
    world: FakeApplication,
) -> None:
    connection = await created(world)
    first = await token(world, connection.id)
    world.clock.advance(first.expires_at - world.clock() - timedelta(minutes=5, seconds=10))
    assert await token(world, connection.id) == first
    other = world.another_process()
    world.entra.revoke(ADA)
    await other.checking(CALLER, connection.id, None)
    world.entra.accept(ADA)
    world.clock.advance(20 * SECOND)
    assert await token(world, connection.id) != first
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE
    assert (await other.tokens.token(CALLER, connection.id)).access_token


async def test_a_refusal_that_is_told_again_keeps_nothing_of_the_requests_before(world: FakeApplication) -> None:
    connection = await created(world)
    world.entra.revoke(ADA)
    told = []
    for _ in range(3):
        with pytest.raises(ConnectionBroken) as refusal:
            await token(world, connection.id)
        told.append(refusal)
    assert len({len(refusal.traceback) for refusal in told}) == 1
    assert {str(refusal.value) for refusal in told} == {told[0].value.message}


async def test_an_apps_refused_secret_degrades_it_and_a_mended_one_recovers_it(world: FakeApplication) -> None:
    app = register(world, "first")
    connection = await app_connection(world)
    app.refused_with = Refusal("unauthorized_client", 7000112)
    with pytest.raises(ConnectionBroken, match="disabled"):
        await token(world, connection.id)
    degraded = row_of(world, connection.id)
    assert degraded.connection.status.state is Health.DEGRADED
    world.faults.calls.clear()
    with pytest.raises(ConnectionBroken):
        await token(world, connection.id)
    assert world.faults.calls == ["connections.get"], "within half a minute Entra is not asked again"
    app.refused_with = None
    world.clock.advance(REFUSAL_KEPT)
    assert (await token(world, connection.id)).access_token
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE


async def test_a_secret_that_was_promoted_minutes_ago_is_not_judged_by_a_part_of_entra_that_does_not_know_it(
    world: FakeApplication,
) -> None:
    app = register(world, "first")
    connection = await rotating(world)
    await rotate(world, connection.id)
    await world.run(8 * MINUTE)
    assert row_of(world, connection.id).run is None
    app.refused_with = Refusal("invalid_client", 7000215)
    with pytest.raises(UpstreamUnavailable, match="everywhere"):
        await token(world, connection.id)
    assert row_of(world, connection.id).connection.status.state is Health.ACTIVE
    world.clock.advance(timedelta(minutes=20))
    with pytest.raises(ConnectionBroken):
        await token(world, connection.id)


async def test_a_credential_that_is_gone_from_the_vault_needs_a_person(world: FakeApplication) -> None:
    connection = await created(world)
    row = row_of(world, connection.id)
    await world.vault.disable(str(row.active_version))
    with pytest.raises(ConnectionBroken, match="missing from Key Vault"):
        await token(world, connection.id)
    assert row_of(world, connection.id).connection.status.state is Health.NEEDS_RECONNECT
