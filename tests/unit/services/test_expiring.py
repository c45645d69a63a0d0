"""The end of a client secret that this service does not manage is told ahead, where the app lets it be known."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from shared.domain.connection import Connection, Health
from shared.domain.errors import UpstreamTimeout
from shared.services import enrolment
from tests.fakes.app_authority import App
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import app_connection, register, secret, update
from tests.unit.services.world import CALLER, DAY, row_of


def registered(world: FakeApplication, days: int = 100) -> App:
    """An app whose one secret ends after so many days."""
    app = register(world, "first")
    app.passwords[0].ends = world.clock() + days * DAY
    return app


async def connected(world: FakeApplication, app: App) -> Connection:
    return await app_connection(world, key_id=app.passwords[0].key_id)


def status(world: FakeApplication, connection: Connection) -> tuple[Health, str | None]:
    shown = row_of(world, connection.id).connection.status
    return shown.state, shown.reason


async def test_the_end_is_told_30_14_7_and_1_days_ahead_and_a_new_secret_ends_the_warning(
    world: FakeApplication,
) -> None:
    app = registered(world)
    connection = await connected(world, app)
    end = app.passwords[0].ends
    assert end is not None
    await world.run(70 * DAY - timedelta(hours=1))
    assert status(world, connection) == (Health.ACTIVE, None)
    seen = []
    for days in (30, 14, 7, 1):
        await world.run(end - days * DAY - world.clock() + timedelta(minutes=5))
        seen.append(row_of(world, connection.id).warned)
        state, reason = status(world, connection)
        assert state is Health.DEGRADED
        assert reason == f"The client secret ends on {end:%Y-%m-%d}. Submit a new one, or enable rotation before then."
    assert seen == [30, 14, 7, 1]
    assert (await world.app.tokens.token(CALLER, connection.id)).access_token, "it works until then"
    assert status(world, connection)[0] is Health.DEGRADED, "its use is no reason to forget the end"
    register(world, "second")
    await update(world, connection.id, secret("second"))
    assert status(world, connection) == (Health.ACTIVE, None)


async def test_one_that_may_not_look_itself_up_is_connected_all_the_same(world: FakeApplication) -> None:
    app = registered(world)
    app.may_manage = False
    connection = await connected(world, app)
    await world.run(99 * DAY)
    assert status(world, connection) == (Health.ACTIVE, None)


async def test_without_a_key_id_nobody_is_asked(world: FakeApplication) -> None:
    registered(world)
    await app_connection(world)
    assert "graph.sign_in" not in world.faults.calls


async def test_a_key_id_of_another_secret_tells_nothing(world: FakeApplication) -> None:
    app = register(world, "first", "other")
    app.passwords[1].ends = world.clock() + 10 * DAY
    connection = await app_connection(world, key_id=app.passwords[1].key_id)
    assert row_of(world, connection.id).ends_at is None


@pytest.mark.parametrize("call", ["graph.sign_in", "graph.registration"])
async def test_a_directory_in_trouble_keeps_nobody_from_connecting(world: FakeApplication, call: str) -> None:
    app = registered(world)
    world.faults.before(call, UpstreamTimeout("Microsoft Graph"))
    assert status(world, await connected(world, app)) == (Health.ACTIVE, None)


async def test_a_directory_that_does_not_answer_is_not_waited_for(
    world: FakeApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrolment, "COMFORT_SECONDS", 0.05)
    app = registered(world)

    async def silent() -> None:
        await asyncio.sleep(60)

    world.faults.before("graph.registration", silent)
    assert row_of(world, (await connected(world, app)).id).ends_at is None
