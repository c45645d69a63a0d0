"""One `Idempotency-Key`, one connection: whatever is sent again within a day gets the first answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.domain.errors import Conflict, GrantRefused, UpstreamUnavailable, ValidationFailed
from shared.services.creating import KEY_LIFETIME, IdempotencyKey
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.fakes.faults import Crash
from tests.unit.services.apps import update
from tests.unit.services.world import DAY, MINUTE, ORG, create, delete, due_soon, row_of, wish

KEY = IdempotencyKey(key="ab" * 32, fingerprint="a-body")


def code(world: FakeApplication) -> str:
    return world.entra.code_for(ADA, world.settings.redirect_uri)


async def test_the_same_request_again_gets_the_first_answer_and_makes_nothing(world: FakeApplication) -> None:
    spent = code(world)
    first = await create(world, wish(), spent, key=KEY)
    await world.app.background.idle()
    await update(world, first.id, name="renamed")
    assert await create(world, wish(), spent, key=KEY) == first
    assert [row.connection.name for row in world.connections.rows(ORG)] == ["renamed"]


async def test_the_same_key_with_another_body_is_refused(world: FakeApplication) -> None:
    await create(world, wish(), code(world), key=KEY)
    other = IdempotencyKey(key=KEY.key, fingerprint="another body")
    with pytest.raises(ValidationFailed, match="used with another body"):
        await create(world, wish("other"), code(world), key=other)


async def test_while_the_first_is_being_worked_on_the_second_is_told_to_come_back(world: FakeApplication) -> None:
    async def again() -> None:
        with pytest.raises(Conflict, match="still being worked on") as caught:
            await create(world, wish(), code(world), key=KEY)
        assert caught.value.retry_after

    world.faults.before("entra.redeem", again)
    await create(world, wish(), code(world), key=KEY)
    assert len(world.connections.rows(ORG)) == 1


async def test_of_many_at_once_one_makes_the_connection(world: FakeApplication) -> None:
    spent = code(world)
    world.faults.slow(0.001)
    outcomes = await asyncio.gather(*(create(world, wish(), spent, key=KEY) for _ in range(5)), return_exceptions=True)
    (row,) = world.connections.rows(ORG)
    assert all(isinstance(outcome, Conflict) or outcome == row.connection for outcome in outcomes)
    assert row.connection in outcomes


@pytest.mark.parametrize("fault", [GrantRefused, UpstreamUnavailable])
async def test_a_request_that_failed_may_be_sent_again(world: FakeApplication, fault: type[Exception]) -> None:
    if fault is GrantRefused:
        world.entra.revoke(ADA)
    else:
        world.faults.before("vault.put", UpstreamUnavailable("Key Vault"))
    with pytest.raises(fault):
        await create(world, wish(), code(world), key=KEY)
    world.entra.accept(ADA)
    assert (await create(world, wish(), code(world), key=KEY)).name == "prod-vault"


async def test_a_request_whose_process_died_may_be_sent_again_once_it_was_cleaned_up(world: FakeApplication) -> None:
    world.faults.after("vault.put", Crash())
    with pytest.raises(Crash):
        await create(world, wish(), code(world), key=KEY)
    world.restart()
    with pytest.raises(Conflict, match="still being worked on"):
        await create(world, wish(), code(world), key=KEY)
    await world.run(10 * MINUTE)
    assert (await create(world, wish(), code(world), key=KEY)).name == "prod-vault"


async def test_a_late_repeat_does_not_bring_a_deleted_connection_back(world: FakeApplication) -> None:
    spent = code(world)
    first = await create(world, wish(), spent, key=KEY)
    await delete(world, first.id)
    await world.run(timedelta(hours=1))
    assert await create(world, wish(), spent, key=KEY) == first
    assert world.vault.readable() == {}
    world.clock.advance(DAY)
    await world.run(20 * MINUTE)
    assert world.connections.rows(ORG) == []
    assert due_soon(world) == []


async def test_after_a_day_the_key_is_free(world: FakeApplication) -> None:
    first = await create(world, wish(), code(world), key=KEY)
    world.clock.advance(KEY_LIFETIME)
    second = await create(world, wish("second"), code(world), key=KEY)
    assert second.id != first.id
    assert row_of(world, first.id).idempotency is None


async def test_the_day_ends_without_anybody_asking(world: FakeApplication) -> None:
    first = await create(world, wish(), code(world), key=KEY)
    await world.app.background.idle()
    world.clock.advance(KEY_LIFETIME)
    await world.run(10 * MINUTE)
    assert row_of(world, first.id).idempotency is None
    assert due_soon(world) == []
