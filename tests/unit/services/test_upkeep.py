"""The daily round goes page by page, is resumed where it was left, and bounds what a page may take."""

from __future__ import annotations

from datetime import timedelta

from shared.services.upkeep import MAX_EXPIRED, PAGE, Round
from tests.fakes.application import FakeApplication
from tests.unit.services.links import linked
from tests.unit.services.world import DAY, ORG, created, wish

CONNECTIONS = 2 * PAGE + 20


async def filled(world: FakeApplication) -> None:
    for number in range(CONNECTIONS):
        await created(world, wish(f"connection-{number}"))


async def test_a_round_is_resumed_where_a_worker_died(world: FakeApplication) -> None:
    await filled(world)
    first = await world.app.upkeep(Round())
    second = await world.app.upkeep(first)
    assert (first.rows, second.rows, second.done) == (PAGE, 2 * PAGE, False)
    world.restart()
    last = await world.app.upkeep(Round.model_validate_json(second.model_dump_json()))
    assert (last.rows, last.done, last.failed) == (CONNECTIONS, True, 0)


async def test_a_slow_page_ends_early_and_the_next_goes_on_with_the_row_after(world: FakeApplication) -> None:
    await filled(world)

    async def slowly() -> None:
        world.clock.advance(timedelta(seconds=50))

    looked_at: list[str] = []
    world.faults.before("due.has", slowly, times=CONNECTIONS)
    found, pages = Round(), 0
    while not found.done:
        found = await world.app.upkeep(found)
        looked_at.append(str(found.place))
        pages += 1
    assert found.rows == CONNECTIONS == len(world.connections.rows(ORG))
    assert pages == CONNECTIONS / 3
    assert len(set(looked_at)) == pages


async def test_expired_links_go_page_by_page_until_there_are_no_more(world: FakeApplication) -> None:
    await filled(world)
    for _ in range(MAX_EXPIRED + 1):
        await linked(world)
    world.clock.advance(3 * DAY)
    world.faults.calls.clear()
    found, removed = Round(), []
    while not found.done:
        found = await world.app.upkeep(found)
        removed.append(found.flows_removed)
    assert removed == [MAX_EXPIRED, MAX_EXPIRED + 1, MAX_EXPIRED + 1]
    assert world.faults.calls.count("flows.remove_expired") == 2
