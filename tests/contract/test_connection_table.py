"""What every `ConnectionTable` promises."""

from __future__ import annotations

import asyncio

import pytest

from shared.domain.connection import Lifecycle
from shared.domain.errors import ConcurrentChange, NameTaken, NotFound
from tests.contract.tables import Tables, names, project, row, under_key, written


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


async def test_a_rename_moves_the_name_in_every_list(tables: Tables) -> None:
    here = project()
    await tables.projects.insert(here)
    for scope in (None, here):
        scope_id = scope.id if scope else None
        stored = await tables.connections.insert(row("old", project=scope))
        renamed = await tables.connections.replace(stored, written(stored.row.showing(name="new")))
        assert await tables.connections.get("org-1", stored.row.id) == renamed
        assert await tables.connections.find("org-1", "old", scope_id) is None
        assert await tables.connections.find("org-1", "new", scope_id) == stored.row.id
    assert await names(tables.connections) == ["new", "new"]
    assert await names(tables.connections, here.id) == ["new"]
    assert await names(tables.connections, available=True) == ["new"]
    assert await names(tables.connections, here.id, available=True) == ["new", "new"]
    await tables.connections.insert(row("old"))
    await tables.connections.insert(row("old", project=here))


@pytest.mark.parametrize("holder", [Lifecycle.ACTIVE, Lifecycle.CREATING])
async def test_a_rename_onto_a_name_in_use_changes_nothing(tables: Tables, holder: Lifecycle) -> None:
    here = project()
    await tables.projects.insert(here)
    for scope in (None, here):
        stored = await tables.connections.insert(row("mine", project=scope))
        await tables.connections.insert(row("taken", project=scope, lifecycle=holder))
        before = [await names(tables.connections, available=available) for available in (False, True)]
        with pytest.raises(NameTaken):
            await tables.connections.replace(stored, written(stored.row.showing(name="taken")))
        assert await tables.connections.get("org-1", stored.row.id) == stored
        assert [await names(tables.connections, available=available) for available in (False, True)] == before


async def test_a_rename_onto_a_name_of_another_scope_is_no_conflict(tables: Tables) -> None:
    here = project()
    await tables.projects.insert(here)
    await tables.connections.insert(row("taken", project=here))
    stored = await tables.connections.insert(row("mine"))
    await tables.connections.replace(stored, written(stored.row.showing(name="taken")))
    assert await names(tables.connections) == ["taken", "taken"]


async def test_a_rename_of_what_has_changed_is_a_change_and_no_taken_name(tables: Tables) -> None:
    stored = await tables.connections.insert(row("mine"))
    await tables.connections.insert(row("taken"))
    await tables.connections.replace(stored, written(stored.row))
    with pytest.raises(ConcurrentChange):
        await tables.connections.replace(stored, written(stored.row.showing(name="taken")))


async def test_of_two_who_rename_to_one_name_at_once_exactly_one_wins(tables: Tables) -> None:
    stored = [await tables.connections.insert(row(name)) for name in ("left", "right")]
    outcomes = await asyncio.gather(
        *(tables.connections.replace(each, written(each.row.showing(name="wanted"))) for each in stored),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NameTaken", "Stored"]
    assert "wanted" in await names(tables.connections)


async def test_a_connection_is_found_by_its_name_in_its_scope(tables: Tables) -> None:
    here = project()
    await tables.projects.insert(here)
    free, mine = row(), row(project=here)
    await tables.connections.insert(free)
    assert await tables.connections.find("org-1", "prod-vault", here.id) is None
    await tables.connections.insert(mine)
    assert await tables.connections.find("org-1", "prod-vault", None) == free.id
    assert await tables.connections.find("org-1", "prod-vault", here.id) == mine.id
    assert await tables.connections.find("org-1", "prod", None) is None
    assert await tables.connections.find("org-2", "prod-vault", None) is None


async def test_neither_a_reservation_nor_what_is_deleted_is_found(tables: Tables) -> None:
    reserved = await tables.connections.insert(row(lifecycle=Lifecycle.CREATING))
    assert await tables.connections.find("org-1", "prod-vault", None) is None
    active = await tables.connections.replace(reserved, written(reserved.row, lifecycle=Lifecycle.ACTIVE))
    assert await tables.connections.find("org-1", "prod-vault", None) == active.row.id
    await tables.connections.replace(active, written(active.row, lifecycle=Lifecycle.DELETING))
    assert await tables.connections.find("org-1", "prod-vault", None) is None


async def test_an_idempotency_key_leads_to_its_connection_as_long_as_the_row_has_it(tables: Tables) -> None:
    stored = await tables.connections.insert(under_key(row(lifecycle=Lifecycle.CREATING)))
    assert await tables.connections.find_by_key("org-1", "a-key") == stored.row.id
    for lifecycle in (Lifecycle.ACTIVE, Lifecycle.DELETING):
        stored = await tables.connections.replace(stored, written(stored.row, lifecycle=lifecycle))
        assert await tables.connections.find_by_key("org-1", "a-key") == stored.row.id
    assert await tables.connections.find_by_key("org-1", "another-key") is None
    assert await tables.connections.find_by_key("org-2", "a-key") is None
    await tables.connections.replace(stored, written(stored.row, idempotency=None))
    assert await tables.connections.find_by_key("org-1", "a-key") is None
    await tables.connections.insert(under_key(row()))


async def test_an_idempotency_key_is_free_when_its_row_is_removed(tables: Tables) -> None:
    stored = await tables.connections.insert(under_key(row()))
    await tables.connections.remove(stored)
    assert await tables.connections.find_by_key("org-1", "a-key") is None
    await tables.connections.insert(under_key(row()))


@pytest.mark.parametrize("name", ["prod-vault", "another-name"])
async def test_a_row_under_a_key_in_use_is_refused_whether_its_name_is_free_or_not(tables: Tables, name: str) -> None:
    here = project()
    await tables.projects.insert(here)
    for scope, key in ((None, "a-key"), (here, "another-key")):
        first = await tables.connections.insert(under_key(row(project=scope), key))
        again = under_key(row(name, project=scope), key)
        with pytest.raises(ConcurrentChange):
            await tables.connections.insert(again)
        assert await tables.connections.get("org-1", again.id) is None
        assert await tables.connections.find_by_key("org-1", key) == first.row.id
    assert await names(tables.connections) == ["prod-vault", "prod-vault"]


async def test_of_two_requests_under_one_key_at_once_exactly_one_is_written(tables: Tables) -> None:
    attempts = [under_key(row()) for _ in range(2)]
    outcomes = await asyncio.gather(*(tables.connections.insert(each) for each in attempts), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ConcurrentChange", "Stored"]
    found = await tables.connections.find_by_key("org-1", "a-key")
    assert [each.id == found for each in attempts] == [not isinstance(each, ConcurrentChange) for each in outcomes]


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


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_what_is_available_is_ordered_by_name_over_both_scopes(tables: Tables, limit: int) -> None:
    here, there = project("here"), project("there")
    await tables.projects.insert(here)
    await tables.projects.insert(there)
    for name in ("ab", "a-b", "a", "a-1", "a1"):
        await tables.connections.insert(row(name))
        await tables.connections.insert(row(name, project=here))
    for name in ("a", "b"):
        await tables.connections.insert(row(f"{name}-elsewhere", project=there))
        await tables.connections.insert(row(f"{name}-foreign", org="org-2"))
        await tables.connections.insert(row(f"{name}-reserved", lifecycle=Lifecycle.CREATING))
    expected = ["a", "a-1", "a-b", "a1", "ab"]
    assert await names(tables.connections, limit=limit, available=True) == expected
    both = [name for name in expected for _ in range(2)]
    assert await names(tables.connections, here.id, limit=limit, available=True) == both
    assert await names(tables.connections, "nowhere", limit=limit, available=True) == expected


async def test_of_one_name_the_organisations_own_comes_before_the_projects(tables: Tables) -> None:
    here = project(callers=("somebody",))
    await tables.projects.insert(here)
    await tables.connections.insert(row(project=here))
    await tables.connections.insert(row())
    first = await tables.connections.available("org-1", here.id, after=None, limit=1)
    second = await tables.connections.available("org-1", here.id, after=first.next_key, limit=1)
    shown = [(item.connection.project_id, item.project_restricted) for item in (*first.items, *second.items)]
    assert shown == [(None, False), (here.id, True)]
    assert second.next_key is None


@pytest.mark.parametrize("place", ["b", "b!", "b!z", "b!!z", "~"])
async def test_a_forged_place_leaves_no_list(tables: Tables, place: str) -> None:
    here, there = project("here"), project("there")
    await tables.projects.insert(here)
    await tables.projects.insert(there)
    for each in (row("a"), row("c", project=here), row("d", project=there), row("e", org="org-2")):
        await tables.connections.insert(each)
    for shown, read in (({"a", "c", "d"}, tables.connections.page), ({"a", "c"}, tables.connections.available)):
        for scope in (None, here.id):
            page = await read("org-1", scope, after=place, limit=10)
            assert {item.connection.name for item in page.items} <= shown


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
    table = tables.connections
    for read, scope in ((table.page, None), (table.page, here.id), (table.available, here.id)):
        (listed,) = (await read("org-1", scope, after=None, limit=10)).items
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


async def test_every_row_is_seen_once_by_a_scan_whatever_its_organisation_and_lifecycle(tables: Tables) -> None:
    here = project()
    await tables.projects.insert(here)
    made = [row(f"a-{number}", org=org) for org in ("org-1", "org-2") for number in range(3)]
    made += [row("b", project=here), row("c", lifecycle=Lifecycle.CREATING), row("d", lifecycle=Lifecycle.DELETING)]
    for each in made:
        await tables.connections.insert(each)
    seen: list[str] = []
    place: str | None = None
    while True:
        found, place = await tables.connections.scan(after=place, limit=2)
        assert len(found) <= 2
        seen += [stored.row.id for stored in found]
        if place is None:
            break
    assert sorted(seen) == sorted(each.id for each in made)
