"""The timer keeps the quotas at the source, and lets nobody wait for what another tenant owes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from math import ceil

import pytest

from shared.domain.connection import DueHint
from shared.domain.quota import (
    PERIOD,
    TENANT_WRITES_A_SECOND,
    UNKNOWN,
    VAULT_CALLS_A_SECOND,
    VERSIONS_A_SECOND,
    Cost,
    Lane,
)
from shared.services.dispatch import SKEW
from shared.services.ports import DueRow, Release
from tests.fakes.application import FakeApplication
from tests.unit.services.world import ORG

SECOND = timedelta(seconds=1)
A_TICK = int(VERSIONS_A_SECOND * PERIOD.total_seconds())
"""As many new versions as a tick may release."""


def rotation(tenant: str = "heavy", app: str = "an-app") -> Cost:
    """What rotating a password of that app spends."""
    return Cost(tenant_id=tenant, client_id=app, versions=1, vault_calls=2, graph_writes=1)


async def owed(
    world: FakeApplication, number: int, cost: Cost | None, *, name: str = "c", at: datetime | None = None
) -> None:
    """So many due rows, each of an app of its own."""
    for index in range(number):
        own = cost.model_copy(update={"client_id": f"{name}-{index}"}) if cost else None
        hint = DueHint(at=at or world.clock(), nonce="n", cost=own)
        await world.due.put(ORG, f"{name}-{index:05}", hint)


def per_second(world: FakeApplication, releases: list[Release]) -> Counter[int]:
    """How many messages may be taken in each second from now: the queue hides for whole seconds."""
    return Counter(ceil((release.at - world.clock()).total_seconds()) for release in releases)


def tenants_of(releases: list[Release]) -> Counter[str]:
    """By the first part of the names."""
    return Counter(release.work.connection_id.split("-")[0] for release in releases)


async def test_a_backlog_is_released_second_by_second_and_the_rest_stays_due(world: FakeApplication) -> None:
    await owed(world, 2 * A_TICK, rotation())
    first = await world.app.dispatch.tick()
    assert per_second(world, first) == dict.fromkeys(range(10), VERSIONS_A_SECOND)
    world.clock.advance(PERIOD)
    second = await world.app.dispatch.tick()
    assert len({release.work for release in first + second}) == 2 * A_TICK
    world.clock.advance(PERIOD)
    assert await world.app.dispatch.tick() == []


async def test_the_oldest_of_a_tenant_goes_first(world: FakeApplication) -> None:
    for index in range(A_TICK + 5):
        await owed(world, 1, rotation(), name=f"c{index}", at=world.clock() - index * SECOND)
    released = {release.work.connection_id for release in await world.app.dispatch.tick()}
    assert released == {f"c{index}-00000" for index in range(5, A_TICK + 5)}


async def test_one_tenant_with_thousands_due_does_not_starve_the_others(world: FakeApplication) -> None:
    await owed(world, 3000, rotation(), name="heavy", at=world.clock() - timedelta(hours=3))
    await owed(world, 40, rotation("light"), name="light")
    await owed(world, 1, rotation("single"), name="single")
    released = tenants_of(await world.app.dispatch.tick())
    assert released == {"light": 40, "single": 1, "heavy": A_TICK - 41}


async def test_two_heavy_tenants_share_alike(world: FakeApplication) -> None:
    await owed(world, 1000, rotation("a"), name="a", at=world.clock() - timedelta(days=1))
    await owed(world, 1000, rotation("b"), name="b")
    assert tenants_of(await world.app.dispatch.tick()) == {"a": A_TICK // 2, "b": A_TICK // 2}


async def test_what_writes_no_version_does_not_wait_behind_what_does(world: FakeApplication) -> None:
    await owed(world, 3000, rotation(), name="heavy", at=world.clock() - timedelta(hours=3))
    await owed(world, 30, Cost(tenant_id="heavy", vault_calls=1), name="verify")
    await owed(world, 30, Cost(tenant_id="heavy", vault_calls=4, graph_writes=1), name="promote")
    released = tenants_of(await world.app.dispatch.tick())
    assert (released["verify"], released["promote"]) == (30, 30)


async def test_a_tenants_graph_writes_are_shared_by_all_that_write_there(world: FakeApplication) -> None:
    await owed(world, 1000, rotation(), name="rotate")
    await owed(world, 1000, Cost(tenant_id="heavy", vault_calls=1, graph_writes=1), name="revoke")
    await owed(world, 10, Cost(tenant_id="light", vault_calls=1, graph_writes=1), name="other")
    releases = await world.app.dispatch.tick()
    here = [release for release in releases if not release.work.connection_id.startswith("other")]
    assert set(per_second(world, here).values()) == {TENANT_WRITES_A_SECOND}
    assert tenants_of(releases)["other"] == 10


async def test_calls_to_the_vault_are_paced_too(world: FakeApplication) -> None:
    await owed(world, 2 * VAULT_CALLS_A_SECOND, Cost(tenant_id="t", vault_calls=1))
    releases = await world.app.dispatch.tick()
    assert per_second(world, releases) == {0: VAULT_CALLS_A_SECOND, 1: VAULT_CALLS_A_SECOND}


async def test_a_due_row_that_does_not_tell_its_cost_counts_as_the_most_expensive(world: FakeApplication) -> None:
    await owed(world, 100, None)
    seconds = per_second(world, await world.app.dispatch.tick())
    assert set(seconds.values()) == {18 // UNKNOWN.graph_writes}
    assert seconds.total() == 60


async def test_a_late_tick_does_not_make_up_for_what_it_missed_and_the_next_does_not_double_it(
    world: FakeApplication,
) -> None:
    await owed(world, 4 * A_TICK, rotation())
    world.clock.advance(9 * PERIOD + 9 * SECOND)  # the host was away
    late = await world.app.dispatch.tick()
    assert len(late) == A_TICK
    world.clock.advance(SECOND)
    on_time = await world.app.dispatch.tick()
    assert per_second(world, on_time) == {9: VERSIONS_A_SECOND}, "the nine seconds before are given away"


async def test_a_tick_that_runs_twice_releases_once(world: FakeApplication) -> None:
    await owed(world, 3 * A_TICK, rotation())
    assert len(await world.app.dispatch.tick()) == A_TICK
    assert await world.app.dispatch.tick() == []


@pytest.mark.parametrize("call", ["due.set_pace", "due.mark_sent", "queue.send"])
async def test_of_two_ticks_at_once_that_find_a_quota_short_one_releases(world: FakeApplication, call: str) -> None:
    await owed(world, 3 * A_TICK, rotation())
    other: list[Release] = []

    async def overtake() -> None:
        other.extend(await world.app.dispatch.tick())

    world.faults.before(call, overtake)
    mine = await world.app.dispatch.tick()
    assert len(mine) + len(other) == A_TICK


async def test_two_ticks_at_once_with_little_due_send_it_twice_at_worst(world: FakeApplication) -> None:
    await owed(world, 3, rotation())
    other: list[Release] = []

    async def overtake() -> None:
        other.extend(await world.app.dispatch.tick())

    world.faults.before("due.mark_sent", overtake)
    mine = await world.app.dispatch.tick()
    assert {release.work for release in mine} == {release.work for release in other}
    assert await world.app.dispatch.tick() == []


async def test_an_ordinary_day_writes_nothing_down(world: FakeApplication) -> None:
    await owed(world, VERSIONS_A_SECOND, rotation())
    assert len(await world.app.dispatch.tick()) == VERSIONS_A_SECOND
    assert "due.set_pace" not in world.faults.calls


async def test_what_is_due_within_the_period_is_sent_ahead_for_a_little_after_its_time(world: FakeApplication) -> None:
    await owed(world, 1, Cost(tenant_id="t", vault_calls=1), at=world.clock() + 6 * SECOND)
    (release,) = await world.app.dispatch.tick()
    assert release.at == world.clock() + 6 * SECOND + SKEW


async def test_a_thousand_that_were_throttled_at_once_are_not_sent_again_at_once(world: FakeApplication) -> None:
    until = world.clock() + timedelta(seconds=30)
    await owed(world, 1000, rotation(), at=until)
    world.clock.now = until
    seconds = per_second(world, await world.app.dispatch.tick())
    assert max(seconds.values()) == VERSIONS_A_SECOND


async def test_how_much_is_read_does_not_follow_the_backlog(
    world: FakeApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[DueRow] = []
    asked = world.due.due

    async def counted(now: datetime, *, lane: Lane, limit: int, each: int) -> AsyncIterator[DueRow]:
        async for row in asked(now, lane=lane, limit=limit, each=each):
            read.append(row)
            yield row

    monkeypatch.setattr(world.due, "due", counted)
    await owed(world, 2000, rotation("a"), name="a")
    await owed(world, 2000, rotation("b"), name="b")
    await world.app.dispatch.tick()
    assert len(read) == 2 * A_TICK
