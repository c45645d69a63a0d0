"""Creating a connection: all of it or nothing, whatever fails whenever."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest

from shared.domain.connection import LONGEST_RUN, Health, Lifecycle
from shared.domain.errors import (
    BadRequest,
    ConcurrentChange,
    GrantRefused,
    NameTaken,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA, FAY
from tests.fakes.faults import Crash
from tests.unit.services.world import (
    CALLER,
    MINUTE,
    MONTHLY,
    ORG,
    active_credential,
    create,
    create_project,
    created,
    delete,
    due_soon,
    row_of,
    wish,
)


async def listed(world: FakeApplication) -> list[str]:
    """The names that the organisation's list shows."""
    items, _ = await world.app.connections.page(CALLER, None, after=None, limit=100)
    return [item.name for item in items]


def leaves_nothing(world: FakeApplication, name: str = "prod-vault") -> bool:
    """Whether nothing secret can be read, no row is left, and no hint waits."""
    return not world.vault.readable() and name not in [
        row.connection.name for row in world.connections.rows(ORG) if row.lifecycle is not Lifecycle.DELETING
    ]


async def test_a_created_connection_is_active_and_its_grant_is_in_the_vault_only(world: FakeApplication) -> None:
    connection = await created(world)
    assert connection.status.state is Health.ACTIVE
    assert connection.credentials == {"tenantId": ADA.tenant_id}
    assert connection.org_id == ORG
    assert (await world.app.connections.get(CALLER, connection.id)).connection == connection
    token = active_credential(world, connection.id).refresh_token
    assert token.startswith("refresh-")
    assert token not in "".join(world.connections.documents())


async def test_a_connection_without_rotation_owes_its_keep_alive_only(world: FakeApplication) -> None:
    connection = await created(world)
    (hint,) = world.due.hints(connection.id)
    assert hint.hint.at - world.clock() >= timedelta(days=7)


async def test_enabled_rotation_counts_from_the_grant_just_made(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    assert connection.rotation is not None
    assert connection.rotation.next_rotation_at is not None
    # Made at 10:00, after 03:30: a day more, so that the grant serves a whole interval.
    assert f"{connection.rotation.next_rotation_at:%Y-%m-%d %H:%M}" == "2026-04-02 03:30"
    (hint,) = world.due.hints(connection.id)
    assert world.clock() < hint.hint.at <= connection.rotation.next_rotation_at, "keep-alive comes first"


async def test_a_taken_name_is_refused_before_the_code_is_spent(world: FakeApplication) -> None:
    await created(world)
    code = world.entra.code_for(ADA, world.settings.redirect_uri)
    with pytest.raises(NameTaken, match='"prod-vault" already exists'):
        await create(world, wish(), code)
    other = await create(world, wish("other"), code)
    assert other.name == "other"


async def test_two_who_want_one_name_at_once_get_one_connection(world: FakeApplication) -> None:
    results = await asyncio.gather(created(world), created(world), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Connection", "NameTaken"]
    assert await listed(world) == ["prod-vault"]
    assert len(world.vault.readable()) == 1


async def test_one_name_serves_the_organisation_and_each_project(world: FakeApplication) -> None:
    project = await create_project(world)
    await created(world)
    await created(world, wish(project_id=project.id))
    assert await listed(world) == ["prod-vault", "prod-vault"]


async def test_an_unknown_project_is_refused_before_the_code_is_spent(world: FakeApplication) -> None:
    with pytest.raises(BadRequest, match="Could not find project with ID nowhere"):
        await created(world, wish(project_id="nowhere"))
    assert "entra.redeem" not in world.faults.calls


async def test_a_project_that_vanishes_meanwhile_is_refused_before_the_code_is_spent(world: FakeApplication) -> None:
    project = await create_project(world)

    async def remove_project() -> None:
        await world.app.projects.delete(CALLER, project.id)

    world.faults.before("connections.insert", remove_project)
    with pytest.raises(BadRequest, match="Could not find project"):
        await created(world, wish(project_id=project.id))
    assert "entra.redeem" not in world.faults.calls
    assert due_soon(world) == []


async def test_a_refused_code_frees_the_name_and_leaves_nothing(world: FakeApplication) -> None:
    with pytest.raises(GrantRefused, match="AADSTS9002313"):
        await create(world, wish(), "made-up")
    assert leaves_nothing(world)
    assert "vault.put" not in world.faults.calls
    assert (await created(world)).name == "prod-vault"


async def test_a_sign_in_of_another_tenant_is_refused(world: FakeApplication) -> None:
    with pytest.raises(GrantRefused, match="AADSTS700005"):
        await created(world, wish(tenant=ADA.domain), account=FAY)
    assert leaves_nothing(world)


async def test_a_domain_without_tenant_is_refused_before_anything_is_written(world: FakeApplication) -> None:
    with pytest.raises(BadRequest, match=r"nobody\.example"):
        await created(world, wish(tenant="nobody.example"))
    assert world.connections.rows(ORG) == []


@pytest.mark.parametrize("acted", [False, True], ids=["request lost", "answer lost"])
async def test_a_vault_that_fails_leaves_no_secret_and_frees_the_name(world: FakeApplication, acted: bool) -> None:
    if acted:
        world.faults.after("vault.put", UpstreamTimeout("Key Vault"))
    else:
        world.faults.before("vault.put", UpstreamUnavailable("Key Vault"))
    with pytest.raises((UpstreamTimeout, UpstreamUnavailable)):
        await created(world)
    assert leaves_nothing(world)
    assert (await created(world)).name == "prod-vault"
    await world.run(LONGEST_RUN + MINUTE)
    assert [row.lifecycle for row in world.connections.rows(ORG)] == [Lifecycle.ACTIVE]


async def test_a_secret_that_lands_after_its_removal_is_removed_again(world: FakeApplication) -> None:
    world.faults.before("vault.put", UpstreamTimeout("Key Vault"))
    with pytest.raises(UpstreamTimeout):
        await created(world)
    (row,) = world.connections.rows(ORG)
    await world.vault.put(row.secret_name, "a refresh token that was long on its way", tags={})
    await world.run(LONGEST_RUN + MINUTE)
    assert leaves_nothing(world)
    assert world.connections.rows(ORG) == []


@pytest.mark.parametrize("call", ["connections.get", "audit.add", "connections.replace", "due.remove"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_what_follows_the_answer_is_done_by_the_timer_when_the_process_dies(
    world: FakeApplication, call: str, after: bool
) -> None:
    connection = await create(world, wish(), world.entra.code_for(ADA, world.settings.redirect_uri))
    (world.faults.after if after else world.faults.before)(call, Crash())
    with contextlib.suppress(Crash):
        await world.app.background.idle()
    world.restart()
    await world.run(20 * MINUTE)
    assert [line["action"] for line in world.audit.lines(ORG)] == ["connection.create"]
    assert row_of(world, connection.id).outbox == ()
    assert due_soon(world) == []


async def test_a_vault_down_during_the_clean_up_too_is_cleaned_when_it_is_back(world: FakeApplication) -> None:
    world.faults.after("vault.put", UpstreamTimeout("Key Vault"))
    world.faults.before("vault.delete", UpstreamUnavailable("Key Vault"))
    with pytest.raises(UpstreamTimeout):
        await created(world)
    assert len(world.vault.readable()) == 1
    assert (await created(world)).name == "prod-vault"  # the name is free at once all the same
    await world.run(10 * MINUTE)
    assert len(world.vault.readable()) == 1
    assert [row.lifecycle for row in world.connections.rows(ORG)] == [Lifecycle.ACTIVE]


async def test_an_activation_whose_answer_was_lost_still_gives_the_connection(world: FakeApplication) -> None:
    world.faults.after("connections.replace", UpstreamTimeout("Table Storage"))
    connection = await created(world)
    assert (await world.app.connections.get(CALLER, connection.id)).connection == connection
    active_credential(world, connection.id)


async def test_an_activation_that_failed_leaves_nothing(world: FakeApplication) -> None:
    world.faults.before("connections.replace", UpstreamUnavailable("Table Storage"))
    with pytest.raises(UpstreamUnavailable):
        await created(world)
    assert leaves_nothing(world)


async def test_a_cancelled_creation_leaves_nothing(world: FakeApplication) -> None:
    world.faults.before("connections.replace", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await created(world)
    assert leaves_nothing(world)


async def test_a_crash_at_any_call_leaves_a_whole_connection_or_nothing(world: FakeApplication) -> None:
    await create(world, wish("counted", rotation=MONTHLY), world.entra.code_for(ADA, world.settings.redirect_uri))
    calls = len(world.faults.calls)  # those that the caller waits for
    await world.app.background.idle()
    for position in range(1, calls + 1):
        for when in (world.faults.before, world.faults.after):
            when("*", Crash(), nth=position)
            with pytest.raises(Crash):
                await created(world, wish("crashed", rotation=MONTHLY))
            world.restart()
            await world.run(LONGEST_RUN + 10 * MINUTE)
            made = [row for row in world.connections.rows(ORG) if row.connection.name == "crashed"]
            assert len(world.vault.readable()) == 1 + len(made)
            assert all(row.hint.at > world.clock() for row in world.due.all())  # a stale hint goes when it is due
            if made:
                assert made[0].lifecycle is Lifecycle.ACTIVE
                active_credential(world, made[0].id)
                await delete(world, made[0].id)
                await world.run(LONGEST_RUN + MINUTE)


async def test_a_reservation_whose_creator_died_holds_the_name_only_so_long(world: FakeApplication) -> None:
    world.faults.after("vault.put", Crash())
    with pytest.raises(Crash):
        await created(world)
    world.restart()
    with pytest.raises(NameTaken):
        await created(world)
    assert await listed(world) == []
    await world.run(LONGEST_RUN + MINUTE)
    assert leaves_nothing(world)
    assert world.connections.rows(ORG) == []
    assert (await created(world)).name == "prod-vault"


async def test_a_creator_slower_than_its_reservation_takes_its_secret_away_again(world: FakeApplication) -> None:
    async def outlive_the_reservation() -> None:
        await world.run(LONGEST_RUN + MINUTE)

    world.faults.before("vault.put", outlive_the_reservation)
    with pytest.raises(ConcurrentChange):
        await created(world)
    assert world.vault.readable() == {}
    assert world.connections.rows(ORG) == []


async def test_a_reservation_whose_answer_was_lost_is_cleaned_within_minutes(world: FakeApplication) -> None:
    world.faults.after("connections.insert", UpstreamTimeout("Table Storage"))
    with pytest.raises(UpstreamTimeout):
        await created(world)
    await world.run(LONGEST_RUN + MINUTE)
    assert world.connections.rows(ORG) == []
    assert due_soon(world) == []
