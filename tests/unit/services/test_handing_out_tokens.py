"""Handing out Key Vault tokens: from memory, fresh, one call at a time, and never of a connection that is broken."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.domain.audit import Action
from shared.domain.errors import ConnectionBroken, NotFound, UpstreamTimeout, UpstreamUnavailable
from shared.services.tokens import FRESH
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.unit.services.handed_out import calls, token
from tests.unit.services.world import (
    CALLER,
    MONTHLY,
    ORG,
    OTHER_CALLER,
    STRANGER,
    create_project,
    created,
    delete,
    rotate,
    row_of,
    wish,
)

SECOND = timedelta(seconds=1)


def uses(world: FakeApplication) -> int:
    return sum(line["action"] == Action.USE for line in world.audit.lines(ORG))


async def test_a_token_comes_from_memory_while_it_lasts_and_the_row_was_read_lately(world: FakeApplication) -> None:
    connection = await created(world)
    first = await token(world, connection.id)
    world.faults.calls.clear()
    world.clock.advance(FRESH)
    assert await token(world, connection.id) == first
    assert world.faults.calls == []


async def test_after_a_minute_one_point_read_shows_whether_the_token_still_belongs(world: FakeApplication) -> None:
    connection = await created(world)
    first = await token(world, connection.id)
    world.faults.calls.clear()
    world.clock.advance(FRESH + SECOND)
    assert await token(world, connection.id) == first
    assert world.faults.calls == ["connections.get"]


async def test_a_token_near_its_end_is_replaced(world: FakeApplication) -> None:
    connection = await created(world)
    first = await token(world, connection.id)
    world.clock.advance(first.expires_at - world.clock() - timedelta(minutes=4))
    second = await token(world, connection.id)
    assert second != first
    assert second.expires_at - world.clock() > timedelta(minutes=5)


async def test_a_token_of_a_credential_that_was_rotated_away_is_given_out_for_a_minute_at_most(
    world: FakeApplication,
) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    first = await token(world, connection.id)
    other = world.another_process()
    await other.connections.rotate(CALLER, connection.id)
    await other.advance(ORG, connection.id)
    assert await token(world, connection.id) == first
    world.clock.advance(FRESH + SECOND)
    assert await token(world, connection.id) != first


async def test_what_this_process_does_to_a_connection_takes_its_token_out_of_use_at_once(
    world: FakeApplication,
) -> None:
    rotated = await created(world, wish("rotated", rotation=MONTHLY))
    dead, deleted = await created(world, wish("dead")), await created(world, wish("deleted"))
    first = await token(world, rotated.id)
    await token(world, dead.id)
    await token(world, deleted.id)
    await rotate(world, rotated.id)
    await world.app.advance(ORG, rotated.id)
    assert await token(world, rotated.id) != first
    await delete(world, deleted.id)
    with pytest.raises(NotFound):
        await token(world, deleted.id)
    world.entra.revoke(ADA)
    await world.app.checking(CALLER, dead.id, None)
    with pytest.raises(ConnectionBroken):
        await token(world, dead.id)


async def test_of_200_callers_of_a_cold_connection_one_asks_entra(world: FakeApplication) -> None:
    connection = await created(world)
    world.faults.calls.clear()
    found = await asyncio.gather(*(token(world, connection.id) for _ in range(200)))
    assert len(set(found)) == 1
    assert calls(world, "entra.refresh") == 1
    assert calls(world, "connections.get") == 1
    assert uses(world) == 1


async def test_a_caller_who_leaves_ends_the_wait_of_nobody_else(world: FakeApplication) -> None:
    connection = await created(world)
    leaving = asyncio.create_task(token(world, connection.id))
    staying = asyncio.create_task(token(world, connection.id))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).access_token


async def test_using_a_connection_writes_no_secret_version(world: FakeApplication) -> None:
    connection = await created(world)
    for _ in range(5):
        await token(world, connection.id)
        world.clock.advance(timedelta(hours=2))
    assert len(world.vault.readable()[row_of(world, connection.id).secret_name]) == 1


async def test_each_caller_is_audited_once_for_a_token_before_getting_it(world: FakeApplication) -> None:
    connection = await created(world)
    world.faults.before("audit.add", UpstreamUnavailable("Table Storage"))
    with pytest.raises(UpstreamUnavailable):
        await token(world, connection.id)
    assert uses(world) == 0
    for caller in (CALLER, CALLER, OTHER_CALLER):
        await world.app.tokens.token(caller, connection.id)
    assert uses(world) == 2


async def test_a_failure_to_audit_whose_caller_had_left_is_told_to_nobody_else(world: FakeApplication) -> None:
    connection = await created(world)
    begun, may_fail = asyncio.Event(), asyncio.Event()

    async def failing() -> None:
        begun.set()
        await may_fail.wait()
        raise UpstreamUnavailable("Table Storage")

    world.faults.before("audit.add", failing)
    leaving = asyncio.create_task(token(world, connection.id))
    await begun.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    may_fail.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (await token(world, connection.id)).access_token
    assert uses(world) == 1


async def test_a_token_that_is_being_audited_is_given_out_whatever_becomes_of_the_next(world: FakeApplication) -> None:
    connection = await created(world)
    first = await token(world, connection.id)
    world.clock.advance(first.expires_at - world.clock() - timedelta(minutes=5))
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await may_end.wait()

    world.faults.before("audit.add", slow)
    other = asyncio.create_task(world.app.tokens.token(OTHER_CALLER, connection.id))
    await begun.wait()
    world.clock.advance(SECOND)
    world.entra.revoke(ADA)
    with pytest.raises(ConnectionBroken):
        await token(world, connection.id)
    may_end.set()
    assert await other == first


async def test_an_audit_line_whose_answer_was_lost_is_not_doubled(world: FakeApplication) -> None:
    connection = await created(world)
    world.faults.after("audit.add", UpstreamTimeout("Table Storage"))
    with pytest.raises(UpstreamTimeout):
        await token(world, connection.id)
    world.clock.advance(SECOND)
    await token(world, connection.id)
    assert uses(world) == 1


async def test_a_connection_that_the_caller_may_not_see_does_not_exist(world: FakeApplication) -> None:
    project = await create_project(world, callers=(CALLER.object_id,))
    connection = await created(world, wish(project_id=project.id))
    await token(world, connection.id)
    for other in (OTHER_CALLER, STRANGER):
        with pytest.raises(NotFound):
            await world.app.tokens.token(other, connection.id)
    await delete(world, connection.id)
    world.clock.advance(FRESH + SECOND)
    with pytest.raises(NotFound):
        await token(world, connection.id)


async def test_one_who_may_not_see_a_connection_causes_no_sign_in(world: FakeApplication) -> None:
    project = await create_project(world, callers=(CALLER.object_id,))
    connection = await created(world, wish(project_id=project.id))
    with pytest.raises(NotFound):
        await world.app.tokens.token(OTHER_CALLER, connection.id)
    assert calls(world, "entra.refresh") == 0
