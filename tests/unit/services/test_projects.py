"""Projects: a scope for names, and who may know of what is in them."""

from __future__ import annotations

import asyncio

import pytest

from shared.domain.caller import Caller
from shared.domain.errors import BadRequest, Conflict, NameTaken, NotFound
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.unit.services.world import CALLER, OTHER_CALLER, STRANGER, create, create_project, created, wish


async def names_shown_to(world: FakeApplication, caller: Caller, project_id: str | None = None) -> list[str]:
    """What a list shows."""
    items, _ = await world.app.connections.page(caller, project_id, after=None, limit=10)
    return [item.name for item in items]


async def test_a_project_gets_a_slug_from_its_name_and_shows_on_its_connections(world: FakeApplication) -> None:
    project = await create_project(world)
    assert project.slug.startswith("payments-")
    connection = await created(world, wish(project_id=project.id))
    assert connection.project == project.ref
    assert await world.app.projects.all(CALLER) == [project]
    assert await world.app.projects.get(CALLER, project.id) == project


async def test_a_slug_serves_one_project_of_an_organisation(world: FakeApplication) -> None:
    async def create_slug(caller: Caller) -> None:
        await world.app.projects.create(
            caller, name="Payments", slug="payments", type_="secret-manager", description=None, callers=()
        )

    await create_slug(CALLER)
    with pytest.raises(NameTaken, match='"payments" already exists'):
        await create_slug(CALLER)
    await create_slug(STRANGER)


async def test_a_project_with_a_connection_cannot_be_removed(world: FakeApplication) -> None:
    project = await create_project(world)
    connection = await created(world, wish(project_id=project.id))
    with pytest.raises(Conflict):
        await world.app.projects.delete(CALLER, project.id)
    await world.app.connections.delete(CALLER, connection.id)
    assert await world.app.projects.delete(CALLER, project.id) == project
    with pytest.raises(NotFound):
        await world.app.projects.get(CALLER, project.id)


async def test_a_project_and_its_first_connection_do_not_pass_each_other(world: FakeApplication) -> None:
    project = await create_project(world)
    outcome = await asyncio.gather(
        created(world, wish(project_id=project.id)),
        world.app.projects.delete(CALLER, project.id),
        return_exceptions=True,
    )
    assert sum(isinstance(each, BaseException) for each in outcome) == 1


async def test_a_project_that_names_its_callers_hides_its_connections_from_others(world: FakeApplication) -> None:
    project = await create_project(world, callers=(CALLER.object_id,))
    connection = await created(world, wish("hidden", project_id=project.id))
    await created(world, wish("open"))
    assert await names_shown_to(world, CALLER) == ["hidden", "open"]
    assert await names_shown_to(world, OTHER_CALLER) == ["open"]
    assert await names_shown_to(world, OTHER_CALLER, project.id) == []
    for act in (
        world.app.connections.get(OTHER_CALLER, connection.id),
        world.app.connections.delete(OTHER_CALLER, connection.id),
        world.app.connections.rotate(OTHER_CALLER, connection.id),
    ):
        with pytest.raises(NotFound):
            await act


async def test_who_is_not_named_cannot_create_in_the_project(world: FakeApplication) -> None:
    project = await create_project(world, callers=(CALLER.object_id,))
    code = world.entra.code_for(ADA, world.settings.redirect_uri)
    with pytest.raises(BadRequest, match="Could not find project"):
        await create(world, wish(project_id=project.id), code, caller=OTHER_CALLER)
    with pytest.raises(BadRequest, match="Could not find project"):
        await world.app.links.authorize(OTHER_CALLER, wish(project_id=project.id), return_url=None)


async def test_another_organisation_sees_nothing(world: FakeApplication) -> None:
    project = await create_project(world)
    connection = await created(world, wish(project_id=project.id))
    assert await names_shown_to(world, STRANGER) == []
    assert await world.app.projects.all(STRANGER) == []
    with pytest.raises(NotFound):
        await world.app.projects.get(STRANGER, project.id)
    with pytest.raises(NotFound):
        await world.app.connections.get(STRANGER, connection.id)


async def test_a_page_never_points_at_what_the_caller_may_not_know_of(world: FakeApplication) -> None:
    hidden = await create_project(world, callers=(CALLER.object_id,))
    for name in ("b-secret", "c-secret", "e-secret"):
        await created(world, wish(name, project_id=hidden.id))
    for name in ("a", "d"):
        await created(world, wish(name))
    found, place = [], None
    while True:
        items, place = await world.app.connections.page(OTHER_CALLER, None, after=place, limit=1)
        found += [item.name for item in items]
        assert "secret" not in str(place)
        if place is None:
            break
    assert found == ["a", "d"]
