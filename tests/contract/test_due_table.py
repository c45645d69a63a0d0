"""What every `DueTable` promises."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from shared.domain.connection import DueHint
from shared.domain.quota import UNKNOWN, Cost, Lane
from shared.services.ports import DueRow
from tests.contract.relay import Mishap, Relay
from tests.contract.tables import Tables
from tests.fakes.clock import START

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def hint(at: datetime, nonce: str = "nonce", cost: Cost | None = None) -> DueHint:
    """A hint as a row has it."""
    return DueHint(at=at, nonce=nonce, cost=cost)


def version(tenant: str) -> Cost:
    """What a rotation in that tenant spends."""
    return Cost(tenant_id=tenant, client_id="an-app", versions=1, vault_calls=2, graph_writes=1)


async def read(
    tables: Tables, now: datetime, *, lane: Lane = Lane.REST, limit: int = 1000, each: int = 1000
) -> list[DueRow]:
    """What a tick at `now` reads."""
    return [row async for row in tables.due.due(now, lane=lane, limit=limit, each=each)]


async def read_ids(tables: Tables, now: datetime) -> list[str]:
    """The connections that a tick at `now` reads."""
    return [row.connection_id for row in await read(tables, now)]


async def test_a_hint_is_read_from_its_time_on(tables: Tables) -> None:
    await tables.due.put("org-1", "soon", hint(START + MINUTE))
    assert await read_ids(tables, START + MINUTE - SECOND) == []
    assert await read_ids(tables, START + MINUTE) == ["soon"]
    assert await read_ids(tables, START + 100 * HOUR) == ["soon"]


async def test_a_hint_comes_back_as_it_was_written(tables: Tables) -> None:
    await tables.due.put("org-1", "a", hint(START, "n-1"))
    (row,) = await read(tables, START)
    assert (row.org_id, row.connection_id, row.hint) == ("org-1", "a", hint(START, "n-1"))
    assert (row.sent, row.written_at) == (0, tables.clock())


async def test_the_oldest_comes_first_across_hours_days_and_years(tables: Tables) -> None:
    times = [START - 366 * 24 * HOUR, START - 25 * HOUR, START - HOUR, START - 59 * MINUTE, START - SECOND, START]
    for number in (3, 0, 5, 1, 4, 2):
        await tables.due.put("org-1", f"c-{number}", hint(times[number]))
    assert await read_ids(tables, START) == [f"c-{number}" for number in range(6)]


async def test_no_more_than_the_limit_is_read(tables: Tables) -> None:
    for number in range(5):
        await tables.due.put("org-1", f"c-{number}", hint(START - number * HOUR))
    assert [row.connection_id for row in await read(tables, START, limit=2)] == ["c-4", "c-3"]


async def test_what_was_sent_is_read_again_at_its_time_and_not_before(tables: Tables) -> None:
    await tables.due.put("org-1", "a", hint(START))
    await tables.due.mark_sent(await read(tables, START), resend_after=START + 5 * MINUTE)
    assert await read_ids(tables, START + 5 * MINUTE - SECOND) == []
    (row,) = await read(tables, START + 5 * MINUTE)
    assert (row.sent, row.hint) == (1, hint(START))
    await tables.due.mark_sent([row], resend_after=START + 10 * MINUTE)
    (row,) = await read(tables, START + 10 * MINUTE)
    assert row.sent == 2


async def test_a_removed_hint_is_gone_and_removing_it_again_is_done(tables: Tables) -> None:
    await tables.due.put("org-1", "a", hint(START, "n-1"))
    await tables.due.put("org-1", "a", hint(START, "n-2"))
    for _ in range(2):
        await tables.due.remove("org-1", "a", hint(START, "n-1"))
    (row,) = await read(tables, START)
    assert row.hint.nonce == "n-2"


async def test_a_hint_removed_meanwhile_is_not_brought_back_and_does_not_stop_the_others(tables: Tables) -> None:
    for name in ("a", "b", "c", "d"):
        await tables.due.put("org-1", name, hint(START))
    rows = await read(tables, START)
    for name in ("a", "c"):
        await tables.due.remove("org-1", name, hint(START))
    await tables.due.mark_sent(rows, resend_after=START + MINUTE)
    assert await read_ids(tables, START) == []
    assert await read_ids(tables, START + MINUTE) == ["b", "d"]


async def test_a_hint_written_anew_meanwhile_is_not_marked(tables: Tables) -> None:
    await tables.due.put("org-1", "a", hint(START))
    await tables.due.put("org-1", "b", hint(START))
    rows = await read(tables, START)
    await tables.due.put("org-1", "a", hint(START))
    await tables.due.mark_sent(rows, resend_after=START + MINUTE)
    assert await read_ids(tables, START) == ["a"]


async def test_more_than_a_transaction_holds_is_marked_across_hours(tables: Tables) -> None:
    for number in range(130):
        await tables.due.put("org-1", f"c-{number:03}", hint(START - (HOUR if number < 5 else SECOND)))
    rows = await read(tables, START)
    assert len(rows) == 130
    await tables.due.remove("org-1", "c-120", hint(START - SECOND))
    await tables.due.mark_sent(rows, resend_after=START + MINUTE)
    assert await read(tables, START) == []
    assert {row.sent for row in await read(tables, START + MINUTE)} == {1}


async def test_nothing_to_mark_is_done(tables: Tables) -> None:
    await tables.due.mark_sent([], resend_after=START)


async def test_a_mark_whose_answer_was_lost_is_one_mark(relayed: Tables, relay: Relay) -> None:
    for name in ("a", "b", "c"):
        await relayed.due.put("org-1", name, hint(START))
    relay.mishaps.append(Mishap(r"^POST .*/\$batch", status=503))
    await relayed.due.mark_sent(await read(relayed, START), resend_after=START + MINUTE)
    assert await read(relayed, START) == []
    assert [row.sent for row in await read(relayed, START + MINUTE)] == [1, 1, 1]


async def test_short_and_empty_pages_end_no_tick(relayed: Tables, relay: Relay) -> None:
    for number in range(4):
        await relayed.due.put("org-1", f"c-{number}", hint(START))
    relay.page_size = 1
    assert await read_ids(relayed, START) == [f"c-{number}" for number in range(4)]


async def test_a_hint_is_there_until_it_is_removed(tables: Tables) -> None:
    hint = DueHint(at=START, nonce="a-nonce")
    assert not await tables.due.has("org-1", "a-connection", hint)
    await tables.due.put("org-1", "a-connection", hint)
    assert await tables.due.has("org-1", "a-connection", hint)
    assert not await tables.due.has("org-1", "a-connection", DueHint(at=START, nonce="another"))
    await tables.due.remove("org-1", "a-connection", hint)
    assert not await tables.due.has("org-1", "a-connection", hint)


async def test_a_hint_tells_its_cost_and_stands_in_the_lane_of_what_is_short(tables: Tables) -> None:
    costs = {"versions": version("t"), "writes": Cost(tenant_id="t", graph_writes=2), "rest": Cost(vault_calls=1)}
    for name, cost in costs.items():
        await tables.due.put("org-1", name, hint(START, cost=cost))
    for lane, name in ((Lane.VERSIONS, "versions"), (Lane.WRITES, "writes"), (Lane.REST, "rest")):
        (row,) = await read(tables, START, lane=lane)
        assert (row.connection_id, row.hint, row.cost) == (name, hint(START, cost=costs[name]), costs[name])
        assert await tables.due.has("org-1", name, row.hint)
        await tables.due.remove("org-1", name, row.hint)
        assert await read(tables, START, lane=lane) == []


async def test_a_hint_from_before_costs_were_written_counts_as_the_most_expensive(tables: Tables) -> None:
    await tables.due.put("org-1", "old", hint(START))
    (row,) = await read(tables, START)
    assert (row.hint.cost, row.cost) == (None, UNKNOWN)


async def test_of_one_tenant_no_more_is_read_than_was_asked_for_and_the_others_behind_it_are(tables: Tables) -> None:
    for number in range(7):
        for tenant, hours in (("a", 2), ("b", 1), ("c", 1)):
            at = START - hours * HOUR if number % 2 else START
            await tables.due.put("org-1", f"{tenant}-{number}", hint(at, cost=version(tenant)))
    await tables.due.put("org-1", "z-0", hint(START, cost=version("z")))
    found = await read(tables, START, lane=Lane.VERSIONS, each=2)
    assert Counter(row.cost.tenant_id for row in found) == {"a": 2, "b": 2, "c": 2, "z": 1}
    assert {row.connection_id for row in found} >= {"a-1", "a-3", "b-1", "b-3", "c-1", "c-3", "z-0"}
    assert len(await read(tables, START, lane=Lane.VERSIONS, each=2, limit=3)) == 3
    assert len(await read(tables, START, lane=Lane.VERSIONS)) == 22


async def test_a_tenant_that_had_its_share_is_not_read_on(relayed: Tables, relay: Relay) -> None:
    for number in range(12):
        await relayed.due.put("org-1", f"a-{number:02}", hint(START, cost=version("a")))
    await relayed.due.put("org-1", "b", hint(START, cost=version("b")))
    relay.page_size = 4
    before = len(relay.requests)
    assert len(await read(relayed, START, lane=Lane.VERSIONS, each=2)) == 3
    assert len(relay.requests) - before <= 3


async def test_a_backlog_over_many_minutes_hides_nobody_and_costs_two_questions_more(
    relayed: Tables, relay: Relay
) -> None:
    for number in range(60):
        await relayed.due.put("org-1", f"a-{number:02}", hint(START - number * MINUTE, cost=version("a")))
    await relayed.due.put("org-1", "b", hint(START, cost=version("b")))
    before = len(relay.requests)
    found = await read(relayed, START, lane=Lane.VERSIONS, each=2)
    assert [row.connection_id for row in found] == ["a-59", "a-58", "b"]
    assert len(relay.requests) - before <= 3


async def test_hints_of_all_lanes_are_marked_together(tables: Tables) -> None:
    for name, cost in (("v", version("t")), ("w", Cost(tenant_id="t", graph_writes=1)), ("r", Cost())):
        await tables.due.put("org-1", name, hint(START, cost=cost))
    rows = [row for lane in Lane for row in await read(tables, START, lane=lane)]
    await tables.due.mark_sent(rows, resend_after=START + MINUTE)
    assert [await read(tables, START, lane=lane) for lane in Lane] == [[], [], []]
    assert [row.sent for lane in Lane for row in await read(tables, START + MINUTE, lane=lane)] == [1, 1, 1]


async def test_the_pace_is_set_by_one_of_two(tables: Tables) -> None:
    fresh = await tables.due.pace()
    assert fresh.until is None
    assert await tables.due.set_pace(fresh, START)
    assert not await tables.due.set_pace(fresh, START + MINUTE)
    first = await tables.due.pace()
    assert first.until == START
    assert await tables.due.set_pace(first, START + MINUTE)
    assert not await tables.due.set_pace(first, START + HOUR)
    assert (await tables.due.pace()).until == START + MINUTE
    assert [await read(tables, START + HOUR, lane=lane) for lane in Lane] == [[], [], []], "it is no hint"
