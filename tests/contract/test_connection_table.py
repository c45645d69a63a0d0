"""What every `ConnectionTable` promises."""

from __future__ import annotations

import asyncio

import pytest

from shared.domain.connection import Lifecycle
from shared.domain.errors import ConcurrentChange, NameTaken, NotFound
from tests.contract.tables import Tables, names, project, row, written


async def test_a_row_comes_back_as_it_was_written(tables: Tables) -> None:
    stored = await tables.connections.insert(row())
    assert await tables.connections.get("org-1", stored.row.id) == stored


async def test_a_row_is_found_by_its_own_organisation_only(tables: Tables) -> None:
    stored = await tables.connections.insert(row())
    assert await tables.connections.get("org-2", stored.row.id) is None


async def test_a_name_is_taken_once_per_scope(tables: Tables) -> None:
    here = project()
    await tables.projects.insert(here)
    for free in (row(), row(project=here), row(org="org-2"), row("other")):
        await tables.connections.insert(free)
    for taken in (row(), row(project=here)):
        with pytest.raises(NameTaken):
            await tables.connections.insert(taken)
        assert await tables.connections.get("org-1", taken.id) is None


async def test_a_reservation_holds_its_name(tables: Tables) -> None:
    await tables.connections.insert(row(lifecycle=Lifecycle.CREATING))
    with pytest.raises(NameTaken):
        await tables.connections.insert(row())


async def test_an_id_that_exists_is_told_from_a_name_that_is_taken(tables: Tables) -> None:
    stored = await tables.connections.insert(row())
    for again in (written(stored.row), written(stored.row.showing(name="other"))):
        with pytest.raises(ConcurrentChange):
            await tables.connections.insert(again)


async def test_a_row_of_an_unknown_project_is_refused_and_takes_no_name(tables: Tables) -> None:
    nowhere = project()
    refused = row(project=nowhere)
    with pytest.raises(NotFound):
        await tables.connections.insert(refused)
    assert await tables.connections.get("org-1", refused.id) is None
    await tables.projects.insert(nowhere)
    await tables.connections.insert(row(project=nowhere))


async def test_a_write_needs_the_row_as_it_was_read(tables: Tables) -> None:
    first = await tables.connections.insert(row())
    second = await tables.connections.replace(first, written(first.row, secret_name="second"))
    with pytest.raises(ConcurrentChange):
        await tables.connections.replace(first, written(first.row, secret_name="late"))
    with pytest.raises(ConcurrentChange):
        await tables.connections.remove(first)
    assert await tables.connections.get("org-1", first.row.id) == second
    third = await tables.connections.replace(second, written(second.row, secret_name="third"))
    assert third.etag not in (first.etag, second.etag)


async def test_of_two_writers_at_once_exactly_one_wins(tables: Tables) -> None:
    stored = await tables.connections.insert(row())
    attempts = [written(stored.row, secret_name=name) for name in ("left", "right")]
    outcomes = await asyncio.gather(
        *(tables.connections.replace(stored, attempt) for attempt in attempts), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ConcurrentChange", "Stored"]
    present = await tables.connections.get("org-1", stored.row.id)
    assert present in outcomes


async def test_of_two_who_insert_one_name_at_once_exactly_one_wins(tables: Tables) -> None:
    outcomes = await asyncio.gather(
        tables.connections.insert(row()), tables.connections.insert(row()), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NameTaken", "Stored"]
    assert await names(tables.connections) == ["prod-vault"]


async def test_a_write_refused_changes_nothing_of_what_is_derived(tables: Tables) -> None:
    first = await tables.connections.insert(row())
    await tables.connections.replace(first, written(first.row))
    with pytest.raises(ConcurrentChange):
        await tables.connections.replace(first, written(first.row, lifecycle=Lifecycle.DELETING))
    assert await names(tables.connections) == ["prod-vault"]
    with pytest.raises(NameTaken):
        await tables.connections.insert(row())


async def test_a_deleted_row_frees_its_name_and_can_still_be_read(tables: Tables) -> None:
    stored = await tables.connections.insert(row())
    deleted = await tables.connections.replace(stored, written(stored.row, lifecycle=Lifecycle.DELETING))
    assert await names(tables.connections) == []
    await tables.connections.insert(row())
    assert await tables.connections.get("org-1", stored.row.id) == deleted
    await tables.connections.remove(deleted)
    assert await tables.connections.get("org-1", stored.row.id) is None
    assert await names(tables.connections) == ["prod-vault"]


async def test_removing_what_is_gone_is_done_and_writing_it_is_not(tables: Tables) -> None:
    stored = await tables.connections.insert(row())
    await tables.connections.remove(stored)
    await tables.connections.remove(stored)
    with pytest.raises(ConcurrentChange):
        await tables.connections.replace(stored, written(stored.row))
    assert await tables.connections.get("org-1", stored.row.id) is None


async def test_a_removed_reservation_frees_its_name(tables: Tables) -> None:
    stored = await tables.connections.insert(row(lifecycle=Lifecycle.CREATING))
    await tables.connections.remove(stored)
    await tables.connections.insert(row())


async def test_lists_are_ordered_as_people_expect(tables: Tables) -> None:
    here = project()
    await tables.projects.insert(here)
    for name in ("ab", "a-b", "a", "b", "a-1", "a1"):
        await tables.connections.insert(row(name))
        await tables.connections.insert(row(name, project=here))
    expected = ["a", "a-1", "a-b", "a1", "ab", "b"]
    assert await names(tables.connections, here.id, limit=2) == expected
    assert await names(tables.connections, limit=5) == [name for name in expected for _ in range(2)]


async def test_a_list_shows_its_scope_and_no_other(tables: Tables) -> None:
    here, there = project("here"), project("there")
    await tables.projects.insert(here)
    await tables.projects.insert(there)
    for each in (row("free"), row("mine", project=here), row("yours", project=there), row("foreign", org="org-2")):
        await tables.connections.insert(each)
    assert await names(tables.connections) == ["free", "mine", "yours"]
    assert await names(tables.connections, here.id) == ["mine"]
    assert await names(tables.connections, "nowhere") == []


async def test_a_list_shows_the_newest_copy_and_whether_its_project_names_callers(tables: Tables) -> None:
    here = project(callers=("somebody",))
    await tables.projects.insert(here)
    stored = await tables.connections.insert(row(project=here))
    changed = await tables.connections.replace(stored, written(stored.row.showing(description="new")))
    for scope in (None, here.id):
        (listed,) = (await tables.connections.page("org-1", scope, after=None, limit=10)).items
        assert listed.connection == changed.row.connection
        assert listed.project_restricted


async def test_a_page_that_ends_with_the_list_has_no_next(tables: Tables) -> None:
    for name in ("a", "b"):
        await tables.connections.insert(row(name))
    assert (await tables.connections.page("org-1", None, after=None, limit=2)).next_key is None
    assert (await tables.connections.page("org-1", None, after=None, limit=1)).next_key is not None


async def test_what_is_being_created_is_not_listed_and_hides_nothing(tables: Tables) -> None:
    await tables.connections.insert(row("a"))
    for number in range(12):
        await tables.connections.insert(row(f"b-{number}", lifecycle=Lifecycle.CREATING))
    await tables.connections.insert(row("c"))
    assert await names(tables.connections, limit=1) == ["a", "c"]
