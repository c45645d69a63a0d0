"""What every `AuditTrail` promises."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest

from shared.domain.audit import SYSTEM, Action, AuditLog, audited
from tests.contract.relay import Mishap, Relay
from tests.contract.tables import Tables
from tests.fakes.clock import START

PLACE = re.compile(r"[0-9A-Za-z!._-]{1,300}")
"""What a cursor can carry."""

DAY, MILLISECOND = timedelta(days=1), timedelta(milliseconds=1)
LONG_AGO, FAR_OFF = START - 400 * DAY, START + 400 * DAY


def line(at: datetime = START, connection: str | None = "conn-1") -> AuditLog:
    """A line of that time."""
    return audited(Action.READ, SYSTEM, at, connection_id=connection, connection_name="prod-vault")


def shown(logs: Sequence[AuditLog]) -> list[object]:
    """The lines as a list shows them."""
    return [log.model_dump(mode="json") for log in logs]


async def read(
    tables: Tables,
    *,
    connection: str | None = None,
    since: datetime = LONG_AGO,
    until: datetime = FAR_OFF,
    limit: int = 100,
    org: str = "org-1",
) -> list[object]:
    """The lines that a reader sees, page by page; a page may be short, or empty, and still have a next one."""
    found: list[object] = []
    after: str | None = None
    while True:
        page = await tables.audit.page(
            org, connection_id=connection, since=since, until=until, after=after, limit=limit
        )
        assert len(page.items) <= limit
        found += page.items
        if page.next_key is None:
            return found
        assert PLACE.fullmatch(page.next_key)
        assert after is None or page.next_key > after
        after = page.next_key


async def test_a_line_comes_back_as_it_was_written_whole_and_for_its_connection(tables: Tables) -> None:
    log = audited(Action.ROTATE, SYSTEM, START, connection_id="conn-1", reason="größer")
    await tables.audit.add("org-1", [log])
    assert await read(tables) == await read(tables, connection="conn-1") == shown([log])


async def test_a_line_of_no_connection_is_the_organisations(tables: Tables) -> None:
    log = line(connection=None)
    await tables.audit.add("org-1", [log])
    assert await read(tables) == shown([log])
    assert await read(tables, connection="conn-1") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_lines_are_shown_newest_first_over_months_and_years(tables: Tables, limit: int) -> None:
    days = (-370, -365, -70, -35, -34, -1, 0, 1, 40, 300)
    logs = [line(START + days_off * DAY) for days_off in days]
    for log in (*logs[::2], *logs[1::2]):
        await tables.audit.add("org-1", [log])
    logs.reverse()
    assert await read(tables, limit=limit) == shown(logs)
    assert await read(tables, connection="conn-1", limit=limit) == shown(logs)


async def test_lines_of_one_moment_are_all_shown(tables: Tables) -> None:
    logs = [line() for _ in range(7)]
    await tables.audit.add("org-1", logs)
    for connection in (None, "conn-1"):
        found = await read(tables, connection=connection, limit=2)
        assert sorted(map(str, found)) == sorted(map(str, shown(logs)))


async def test_writing_twice_leaves_one(tables: Tables) -> None:
    log = line()
    for _ in range(2):
        await tables.audit.add("org-1", [log, log])
    assert await read(tables) == await read(tables, connection="conn-1") == shown([log])


async def test_nothing_to_write_is_written(tables: Tables) -> None:
    await tables.audit.add("org-1", [])
    assert await read(tables) == []


async def test_a_connection_shows_its_own_lines_only(tables: Tables) -> None:
    one, other = line(), line(START + DAY, "conn-10")
    await tables.audit.add("org-1", [one, other])
    assert await read(tables, connection="conn-1") == shown([one])
    assert await read(tables, connection="conn-10") == shown([other])
    assert await read(tables, connection="conn") == []


async def test_an_organisation_sees_no_other_ones_lines(tables: Tables) -> None:
    mine, theirs = line(), line()
    await tables.audit.add("org-1", [mine])
    await tables.audit.add("org-10", [theirs])
    for connection in (None, "conn-1"):
        assert await read(tables, connection=connection) == shown([mine])
        assert await read(tables, connection=connection, org="org-10") == shown([theirs])
        assert await read(tables, connection=connection, org="org") == []


MONTH_START = datetime(2026, 3, 1, tzinfo=UTC)
UNEVEN = datetime(2026, 3, 2, 10, 0, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize("moment", [START, MONTH_START, UNEVEN, datetime(2026, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("connection", [None, "conn-1"])
async def test_since_is_included_and_until_is_not(tables: Tables, moment: datetime, connection: str | None) -> None:
    before, at, after = logs = [line(moment + step * MILLISECOND) for step in (-1, 0, 1)]
    await tables.audit.add("org-1", logs)
    assert await read(tables, connection=connection, since=moment) == shown([after, at])
    assert await read(tables, connection=connection, until=moment) == shown([before])
    assert await read(tables, connection=connection, since=moment, until=moment + MILLISECOND) == shown([at])
    assert await read(tables, connection=connection, since=moment, until=moment) == []
    assert await read(tables, connection=connection, since=moment + MILLISECOND, until=moment) == []


async def test_a_bound_within_a_millisecond_cuts_where_it_says(tables: Tables) -> None:
    log = line()
    await tables.audit.add("org-1", [log])
    just_after = START + timedelta(microseconds=1)
    assert await read(tables, until=just_after) == shown([log])
    assert await read(tables, since=just_after) == []


async def test_months_are_those_of_utc(tables: Tables) -> None:
    log = line(datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=2))))  # still February
    await tables.audit.add("org-1", [log])
    assert await read(tables, since=MONTH_START) == []
    assert await read(tables, since=MONTH_START - DAY, until=MONTH_START) == shown([log])
    elsewhere = log.at.astimezone(timezone(timedelta(hours=-8)))
    assert await read(tables, since=elsewhere, until=MONTH_START) == shown([log])


async def test_years_without_a_line_hide_nothing(tables: Tables) -> None:
    old, new = line(datetime(2021, 5, 31, tzinfo=UTC)), line()
    await tables.audit.add("org-1", [old, new])
    since = datetime(2019, 1, 1, tzinfo=UTC)
    for limit in (1, 100):
        assert await read(tables, since=since, limit=limit) == shown([new, old])


async def test_a_list_goes_on_where_it_stood_when_lines_arrive(tables: Tables) -> None:
    logs = [line(START + days * DAY) for days in (0, -1, -40, -41)]
    await tables.audit.add("org-1", logs)
    for connection in (None, "conn-1"):
        listed = partial(tables.audit.page, "org-1", connection_id=connection, since=LONG_AGO, limit=2)
        first = await listed(until=START + MILLISECOND, after=None)
        await tables.audit.add("org-1", [line(START + DAY), line(START + 2 * MILLISECOND)])
        second = await listed(until=FAR_OFF, after=first.next_key)
        assert [*first.items, *second.items] == shown(logs)


@pytest.mark.parametrize("place", ["0" * 14, "9" * 14, f"{'0' * 14}!x", "98230000000000!conn-1"])
async def test_a_forged_place_leaves_no_list(tables: Tables, place: str) -> None:
    inside, outside = line(), [line(START + DAY), line(START - DAY), line(connection="conn-2")]
    await tables.audit.add("org-1", [inside, *outside])
    await tables.audit.add("org-2", [line()])
    for connection in (None, "conn-1"):
        page = await tables.audit.page(
            "org-1",
            connection_id=connection,
            since=START,
            until=START + MILLISECOND,
            after=place,
            limit=10,
        )
        allowed = shown([inside, outside[2]] if connection is None else [inside])
        assert all(item in allowed for item in page.items)


@pytest.mark.parametrize("place", ["", "x", "!", "202603", "org-2!202603", "org-2!conn-1"])
async def test_what_is_no_place_is_refused(tables: Tables, place: str) -> None:
    for connection in (None, "conn-1"):
        with pytest.raises(ValueError, match="not a place"):
            await tables.audit.page(
                "org-1", connection_id=connection, since=LONG_AGO, until=FAR_OFF, after=place, limit=10
            )


@pytest.mark.parametrize(("org", "connection"), [("org-1", "202603"), ("org-1", "a!b"), ("org-1!conn-1", None)])
async def test_no_id_opens_another_partition(tables_in_azure: Tables, org: str, connection: str | None) -> None:
    await tables_in_azure.audit.add("org-1", [line()])
    with pytest.raises(ValueError, match="not fit"):
        await read(tables_in_azure, org=org, connection=connection)
    with pytest.raises(ValueError, match="not fit"):
        await tables_in_azure.audit.add(org, [line(connection=connection)])


async def test_short_and_empty_pages_end_no_list(relayed: Tables, relay: Relay) -> None:
    logs = [line(START - days * DAY) for days in (0, 1, 40)]
    await relayed.audit.add("org-1", logs)
    relay.page_size, relay.empty_pages = 1, 3
    assert await read(relayed) == shown(logs)
    assert relay.empty_pages == 0


async def test_a_line_is_one_when_the_client_sends_it_again(relayed: Tables, relay: Relay) -> None:
    log = line()
    relay.mishaps += [Mishap("^(PUT|PATCH)", status=503) for _ in range(2)]
    await relayed.audit.add("org-1", [log])
    assert await read(relayed) == await read(relayed, connection="conn-1") == shown([log])
    assert relay.mishaps == []
