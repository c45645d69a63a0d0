"""What every `RotationHistory` promises."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from shared.domain.connection import OutboxEntry
from tests.contract.tables import Tables
from tests.fakes.clock import START

PLACE = re.compile(r"[0-9A-Za-z!._-]{1,300}")
"""What a cursor can carry."""


def run(number: int) -> OutboxEntry:
    """The record of one rotation; a higher number is a later one."""
    return OutboxEntry(id=f"run-{number}", kind="rotation", at=START + timedelta(days=number), body={"number": number})


async def numbers(tables: Tables, *, limit: int = 100, org: str = "org-1", connection: str = "conn-1") -> list[object]:
    """The runs of a connection, read in pages of `limit`."""
    found: list[object] = []
    after: str | None = None
    while True:
        page = await tables.history.page(org, connection, after=after, limit=limit)
        assert len(page.items) <= limit
        found += [item["number"] for item in page.items]
        if page.next_key is None:
            return found
        assert PLACE.fullmatch(page.next_key)
        after = page.next_key


async def test_a_run_comes_back_as_it_was_written(tables: Tables) -> None:
    body: OutboxEntry = run(1).model_copy(
        update={"body": {"runId": "r", "message": None, "größe": 1, "deep": {"a": []}}}
    )
    await tables.history.add("org-1", "conn-1", [body])
    page = await tables.history.page("org-1", "conn-1", after=None, limit=10)
    assert list(page.items) == [body.body]
    assert page.next_key is None


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_runs_are_kept_newest_first(tables: Tables, limit: int) -> None:
    await tables.history.add("org-1", "conn-1", [run(1), run(3)])
    await tables.history.add("org-1", "conn-1", [run(2)])
    assert await numbers(tables, limit=limit) == [3, 2, 1]


async def test_a_run_of_a_millisecond_later_comes_first(tables: Tables) -> None:
    entries = [run(0).model_copy(update={"id": f"run-{n}", "at": START + timedelta(milliseconds=n)}) for n in range(20)]
    await tables.history.add(
        "org-1", "conn-1", [entry.model_copy(update={"body": {"number": n}}) for n, entry in enumerate(entries)]
    )
    assert await numbers(tables) == list(reversed(range(20)))


async def test_writing_twice_leaves_one(tables: Tables) -> None:
    for _ in range(2):
        await tables.history.add("org-1", "conn-1", [run(1), run(1)])
    assert await numbers(tables) == [1]


async def test_nothing_to_write_is_written(tables: Tables) -> None:
    await tables.history.add("org-1", "conn-1", [])
    assert await numbers(tables) == []


async def test_runs_belong_to_their_connection(tables: Tables) -> None:
    await tables.history.add("org-1", "conn-1", [run(1)])
    assert await numbers(tables, connection="conn-10") == []
    assert await numbers(tables, connection="conn-2") == []
    assert await numbers(tables, org="org-2") == []


async def test_a_list_goes_on_where_it_stood_when_a_run_is_added(tables: Tables) -> None:
    await tables.history.add("org-1", "conn-1", [run(1), run(2)])
    first = await tables.history.page("org-1", "conn-1", after=None, limit=1)
    await tables.history.add("org-1", "conn-1", [run(3)])
    rest = await tables.history.page("org-1", "conn-1", after=first.next_key, limit=10)
    assert [item["number"] for item in (*first.items, *rest.items)] == [2, 1]


@pytest.mark.parametrize("place", ["", "x", "!", "conn-2!1"])
async def test_what_is_no_place_is_refused(tables: Tables, place: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        await tables.history.page("org-1", "conn-1", after=place, limit=10)
