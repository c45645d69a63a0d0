"""The connect link when processes die and services fail: the link stays usable, and nothing is made twice."""

from __future__ import annotations

import pytest

from shared.domain.connection import LONGEST_RUN
from shared.domain.errors import UpstreamTimeout, UpstreamUnavailable
from shared.services.connect_links import FlowState
from tests.fakes.application import FakeApplication
from tests.fakes.faults import Crash
from tests.unit.services.links import arrived, departed, linked, state_of
from tests.unit.services.world import MINUTE, ORG, active_credential, row_of


async def test_a_process_that_dies_before_it_says_so_has_still_succeeded(world: FakeApplication) -> None:
    link = await linked(world)
    departure, later = await departed(world, link), await departed(world, link)
    world.faults.before("flows.settle_link", Crash())
    with pytest.raises(Crash):
        await arrived(world, departure)
    world.restart()
    assert world.flows.links[link.link.flow_id].state == FlowState.PENDING
    assert await state_of(world, link) is FlowState.SUCCEEDED
    assert (await arrived(world, later)).connection_id == link.link.connection_id
    assert len(world.vault.readable()) == 1


async def test_a_crash_during_the_creation_leaves_the_link_usable_within_minutes(world: FakeApplication) -> None:
    link = await linked(world)
    departure = await departed(world, link)
    world.faults.after("vault.put", Crash())
    with pytest.raises(Crash):
        await arrived(world, departure)
    world.restart()
    assert await state_of(world, link) is FlowState.PENDING
    busy = await arrived(world, await departed(world, link))
    assert "Another sign-in for this connection is being completed" in busy.message
    await world.run(LONGEST_RUN + MINUTE)
    assert (await arrived(world, await departed(world, link))).state is FlowState.SUCCEEDED
    assert len(world.vault.readable()) == 1
    active_credential(world, link.link.connection_id)


async def test_a_failed_store_leaves_the_link_usable_at_once(world: FakeApplication) -> None:
    link = await linked(world)
    world.faults.after("vault.put", UpstreamTimeout("Key Vault"))
    failed = await arrived(world, await departed(world, link))
    assert failed.message == "Key Vault did not answer in time; try again later"
    assert (await arrived(world, await departed(world, link))).state is FlowState.SUCCEEDED
    active_credential(world, link.link.connection_id)


@pytest.mark.parametrize("then_fails", [False, True], ids=["made", "failed again"])
async def test_what_a_failed_try_left_to_the_row_is_delivered_during_the_next(
    world: FakeApplication, then_fails: bool
) -> None:
    link = await linked(world)
    world.faults.after("vault.put", Crash())
    with pytest.raises(Crash):
        await arrived(world, await departed(world, link))
    world.restart()
    world.faults.before("audit.add", UpstreamUnavailable("Table Storage"), times=100)
    await world.run(LONGEST_RUN + MINUTE)
    assert row_of(world, link.link.connection_id).outbox != ()
    world.faults.clear()
    world.clock.advance(10 * MINUTE)

    async def deliver() -> None:
        await world.app.advance(ORG, link.link.connection_id)

    world.faults.before("entra.finish", deliver)
    if then_fails:
        world.faults.after("entra.finish", UpstreamUnavailable("Microsoft Entra ID"))
    arrival = await arrived(world, await departed(world, link))
    if then_fails:
        assert "Microsoft Entra ID is unavailable" in arrival.message
        arrival = await arrived(world, await departed(world, link))
    assert arrival.state is FlowState.SUCCEEDED, arrival.message
    active_credential(world, link.link.connection_id)


async def test_a_secret_that_lands_late_is_removed_also_when_the_next_try_stores_none(world: FakeApplication) -> None:
    link = await linked(world)
    world.faults.before("vault.put", UpstreamTimeout("Key Vault"))
    await arrived(world, await departed(world, link))
    name = row_of(world, link.link.connection_id).secret_name
    world.faults.before("entra.finish", UpstreamUnavailable("Microsoft Entra ID"))
    await arrived(world, await departed(world, link))
    await world.run(3 * MINUTE)
    await world.vault.put(name, "of the first try", tags={})
    await world.run(LONGEST_RUN)
    assert world.vault.readable() == {}
    assert world.connections.rows(ORG) == []


async def test_an_authority_that_is_down_is_told_and_leaves_the_link_usable(world: FakeApplication) -> None:
    link = await linked(world)
    world.faults.before("entra.finish", UpstreamUnavailable("Microsoft Entra ID"))
    assert "unavailable" in (await arrived(world, await departed(world, link))).message
    assert (await arrived(world, await departed(world, link))).state is FlowState.SUCCEEDED
