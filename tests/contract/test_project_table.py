"""What every `ProjectTable` promises."""

from __future__ import annotations

import asyncio

import pytest

from shared.domain.connection import Lifecycle
from shared.domain.errors import Conflict, NameTaken, NotFound
from tests.contract.relay import Mishap, Relay
from tests.contract.tables import Tables, project, row, written


async def test_a_project_comes_back_as_it_was_written(tables: Tables) -> None:
    made = project(callers=("somebody", "somebody-else"))
    await tables.projects.insert(made)
    assert await tables.projects.get("org-1", made.id) == made
    assert await tables.projects.get("org-2", made.id) is None
    assert await tables.projects.get("org-1", "nowhere") is None


async def test_all_projects_of_an_organisation_are_listed_by_id_and_nothing_else(tables: Tables) -> None:
    made = [project(slug) for slug in ("one", "two", "three")]
    for each in (*made, project(org="org-2")):
        await tables.projects.insert(each)
    await tables.connections.insert(row(project=made[0]))
    assert list(await tables.projects.all("org-1")) == sorted(made, key=lambda each: each.id)


async def test_a_slug_is_taken_once_per_organisation_and_free_after_removal(tables: Tables) -> None:
    first = project()
    await tables.projects.insert(first)
    await tables.projects.insert(project(org="org-2"))
    second = project()
    with pytest.raises(NameTaken):
        await tables.projects.insert(second)
    assert await tables.projects.get("org-1", second.id) is None
    await tables.projects.remove("org-1", first.id)
    await tables.projects.insert(second)


async def test_a_project_removed_is_gone(tables: Tables) -> None:
    made = project()
    await tables.projects.insert(made)
    await tables.projects.remove("org-1", made.id)
    assert await tables.projects.get("org-1", made.id) is None
    with pytest.raises(NotFound):
        await tables.projects.remove("org-1", made.id)


@pytest.mark.parametrize("lifecycle", [Lifecycle.CREATING, Lifecycle.ACTIVE])
async def test_a_project_with_a_connection_stays_until_that_is_deleted(tables: Tables, lifecycle: Lifecycle) -> None:
    made = project()
    await tables.projects.insert(made)
    stored = await tables.connections.insert(row(project=made, lifecycle=lifecycle))
    with pytest.raises(Conflict):
        await tables.projects.remove("org-1", made.id)
    await tables.connections.replace(stored, written(stored.row, lifecycle=Lifecycle.DELETING))
    await tables.projects.remove("org-1", made.id)


async def test_a_project_keeps_its_content_when_connections_are_made_in_it(tables: Tables) -> None:
    made = project()
    await tables.projects.insert(made)
    await tables.connections.insert(row(project=made))
    assert await tables.projects.get("org-1", made.id) == made


async def test_a_project_is_not_removed_past_a_connection_made_at_the_same_moment(tables: Tables) -> None:
    for number in range(5):
        made = project(f"racing-{number}")
        await tables.projects.insert(made)
        creation, removal = await asyncio.gather(
            tables.connections.insert(row(project=made)),
            tables.projects.remove("org-1", made.id),
            return_exceptions=True,
        )
        removed = await tables.projects.get("org-1", made.id) is None
        assert isinstance(creation, NotFound) == removed
        assert isinstance(removal, Conflict) == (not removed)


async def test_a_connection_made_between_look_and_removal_keeps_the_project(relayed: Tables, relay: Relay) -> None:
    made = project()
    await relayed.projects.insert(made)

    async def create() -> None:
        await relayed.connections.insert(row(project=made))

    relay.mishaps.append(Mishap("^GET .*filter", meanwhile=create))  # the answer "no connections" is on its way
    with pytest.raises(Conflict):
        await relayed.projects.remove("org-1", made.id)
    assert relay.mishaps == []
    assert await relayed.projects.get("org-1", made.id) == made


async def test_our_own_project_is_recognised_when_the_client_sends_it_again(relayed: Tables, relay: Relay) -> None:
    made = project()
    relay.mishaps.append(Mishap(r"^POST .*/\$batch", status=503))
    await relayed.projects.insert(made)
    assert await relayed.projects.get("org-1", made.id) == made


async def test_our_own_removal_is_recognised_when_the_client_sends_it_again(relayed: Tables, relay: Relay) -> None:
    made = project()
    await relayed.projects.insert(made)
    relay.mishaps.append(Mishap(r"^POST .*/\$batch", status=503))
    await relayed.projects.remove("org-1", made.id)
    assert await relayed.projects.get("org-1", made.id) is None
