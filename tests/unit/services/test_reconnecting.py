"""Mending a connection in place: the old grant works until the new one is in use, and nobody else slips in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.audit import Action
from shared.domain.connection import LONGEST_RUN, LONGEST_SKEW, Health
from shared.domain.errors import BadRequest, NotFound, UpstreamUnavailable
from shared.services.connect_links import FlowState
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA, BEN, FAY, Account
from tests.fakes.faults import Crash
from tests.unit.services.apps import app_connection, register
from tests.unit.services.links import VISITOR, again, departed, signed_in, state_of
from tests.unit.services.rotations import outcomes
from tests.unit.services.world import (
    CALLER,
    MINUTE,
    MONTHLY,
    ORG,
    STRANGER,
    active_credential,
    created,
    delete,
    rotate,
    row_of,
    wish,
    working_with_clock_ahead,
)


def readable(world: FakeApplication, connection_id: str) -> int:
    return len(world.vault.readable()[row_of(world, connection_id).secret_name])


async def test_a_dead_connection_is_mended_under_the_same_id_name_and_hash(world: FakeApplication) -> None:
    made = await created(world, wish(rotation=MONTHLY))
    world.entra.revoke(ADA)
    await world.app.checking(CALLER, made.id, None)
    world.entra.accept(ADA)
    link = await again(world, made.id)
    assert link.link.connection_id == made.id
    assert await state_of(world, link) is FlowState.PENDING
    assert (await signed_in(world, link)).state is FlowState.SUCCEEDED
    assert await state_of(world, link) is FlowState.SUCCEEDED
    mended = row_of(world, made.id).connection
    assert mended.status.state is Health.ACTIVE
    assert (mended.id, mended.name, mended.credentials_hash) == (made.id, made.name, made.credentials_hash)
    assert mended.rotation == made.rotation
    assert readable(world, made.id) == 1
    assert (await world.app.tokens.token(CALLER, made.id)).access_token
    actions = [line["action"] for line in world.audit.lines(ORG)]
    assert actions.count(Action.RECONNECT) == 1


async def test_the_old_grant_works_until_somebody_has_signed_in(world: FakeApplication) -> None:
    made = await created(world)
    before = active_credential(world, made.id)
    link = await again(world, made.id)
    await departed(world, link)
    assert active_credential(world, made.id) == before
    assert (await world.app.tokens.token(CALLER, made.id)).access_token


@pytest.mark.parametrize("account", [BEN, FAY])
async def test_another_account_or_tenant_is_refused_and_the_old_grant_stays(
    world: FakeApplication, account: Account
) -> None:
    made = await created(world)
    before = active_credential(world, made.id)
    link = await again(world, made.id)
    arrival = await signed_in(world, link, account)
    assert arrival.state is FlowState.FAILED
    assert active_credential(world, made.id) == before
    assert readable(world, made.id) == 1
    assert (await signed_in(world, link)).state is FlowState.SUCCEEDED, "the link stays usable"


async def test_a_link_for_the_former_account_does_not_push_out_the_one_that_came_meanwhile(
    world: FakeApplication,
) -> None:
    made = await created(world)
    link, open_to_all = await again(world, made.id), await again(world, made.id, anybody=True)

    async def overtaken() -> None:
        world.faults.clear()
        assert (await signed_in(world, open_to_all, BEN)).state is FlowState.SUCCEEDED

    world.faults.before("vault.put", overtaken)
    assert (await signed_in(world, link, ADA)).state is FlowState.FAILED
    assert row_of(world, made.id).account_id == BEN.object_id
    assert readable(world, made.id) == 1
    assert (await world.app.tokens.token(CALLER, made.id)).access_token


@pytest.mark.parametrize("account", [BEN, FAY])
async def test_another_account_is_taken_when_that_was_asked_for(world: FakeApplication, account: Account) -> None:
    made = await created(world)
    assert (await signed_in(world, await again(world, made.id, anybody=True), account)).state is FlowState.SUCCEEDED
    row = row_of(world, made.id)
    assert row.account_id == account.object_id
    assert row.connection.credentials == {"tenantId": account.tenant_id}
    assert row.connection.credentials_hash != made.credentials_hash


async def test_a_link_of_a_connection_that_was_deleted_meanwhile_fails(world: FakeApplication) -> None:
    made = await created(world)
    link = await again(world, made.id)
    await delete(world, made.id)
    assert (await signed_in(world, link)).state is FlowState.FAILED
    await world.run(LONGEST_RUN + 20 * MINUTE)
    assert world.vault.readable() == {}


async def test_only_who_may_see_it_and_only_a_persons_grant_can_be_reconnected(world: FakeApplication) -> None:
    made = await created(world)
    with pytest.raises(NotFound):
        await world.app.links.authorize_again(STRANGER, made.id, return_url=None, allow_different_account=False)
    register(world, "first")
    app = await app_connection(world)
    with pytest.raises(BadRequest, match="oauth"):
        await again(world, app.id)


async def test_an_instance_whose_clock_is_ahead_does_not_sweep_what_is_about_to_be_promoted(
    world: FakeApplication,
) -> None:
    made = await created(world)
    link = await again(world, made.id)
    world.faults.after("vault.put", working_with_clock_ahead(world, made.id, LONGEST_SKEW))
    assert (await signed_in(world, link)).state is FlowState.SUCCEEDED
    assert (await world.app.tokens.token(CALLER, made.id)).access_token
    await world.run(LONGEST_RUN + LONGEST_SKEW + MINUTE)
    assert readable(world, made.id) == 1


async def test_a_grant_that_may_have_been_swept_does_not_push_out_the_one_in_use(world: FakeApplication) -> None:
    made = await created(world)
    before = active_credential(world, made.id)
    link = await again(world, made.id)
    world.faults.after("vault.put", working_with_clock_ahead(world, made.id, 3 * LONGEST_SKEW))
    assert (await signed_in(world, link)).state is FlowState.FAILED
    assert active_credential(world, made.id) == before
    assert readable(world, made.id) == 1
    assert (await signed_in(world, link)).state is FlowState.SUCCEEDED


async def test_a_run_that_fails_meanwhile_does_not_bring_the_sweep_forward(world: FakeApplication) -> None:
    made = await created(world, wish(rotation=MONTHLY))

    async def failing() -> None:
        world.faults.clear()
        world.entra.revoke(ADA)
        await rotate(world, made.id)
        await world.app.advance(ORG, made.id)
        world.entra.accept(ADA)
        await working_with_clock_ahead(world, made.id, LONGEST_SKEW)()

    world.faults.after("vault.put", failing)
    assert (await signed_in(world, await again(world, made.id))).state is FlowState.SUCCEEDED
    assert outcomes(world, made.id) == ["failed"]
    assert (await world.app.tokens.token(CALLER, made.id)).access_token


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["entra.finish", "vault.put", "connections.replace", "flows.settle_link"])
async def test_a_crash_leaves_a_working_grant_and_no_stray(world: FakeApplication, when: str, call: str) -> None:
    made = await created(world)
    link = await again(world, made.id)
    departure = await departed(world, link)
    answer = world.entra.sign_in(departure.url, ADA)
    getattr(world.faults, when)(call, Crash())
    with pytest.raises(Crash):
        await world.app.oauth.arrive(answer, {departure.cookie_name: departure.cookie_value}, VISITOR)
    world.restart()
    await world.run(timedelta(minutes=20) + LONGEST_RUN)
    assert world.entra.knows(active_credential(world, made.id).refresh_token)
    assert readable(world, made.id) == 1
    done = row_of(world, made.id).reconnected_by == link.link.flow_id
    assert await state_of(world, link) is (FlowState.SUCCEEDED if done else FlowState.PENDING)


async def test_an_outage_of_the_vault_leaves_the_old_grant(world: FakeApplication) -> None:
    made = await created(world)
    before = active_credential(world, made.id)
    world.faults.before("vault.put", UpstreamUnavailable("Key Vault"))
    link = await again(world, made.id)
    assert (await signed_in(world, link)).state is FlowState.FAILED
    assert active_credential(world, made.id) == before
    assert (await signed_in(world, link)).state is FlowState.SUCCEEDED
