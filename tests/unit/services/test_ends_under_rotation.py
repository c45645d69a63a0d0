"""When the secret in use ends and rotation is on, or was: the status says what is true, and what mends it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared.domain.connection import Connection, Health
from shared.domain.errors import Refusal
from shared.domain.graph_errors import PERMISSION
from tests.fakes.application import FakeApplication
from tests.unit.services.apps import SCHEDULE, app_connection, app_of, register, rotating, secret, update
from tests.unit.services.rotations import SETTLED, rotated
from tests.unit.services.world import CALLER, DAY, MINUTE, ORG, rotate, row_of


def status(world: FakeApplication, connection: Connection) -> tuple[Health, str | None]:
    shown = row_of(world, connection.id).connection.status
    return shown.state, shown.reason


async def own_secret(world: FakeApplication, days: int, *, interval: int = 30) -> tuple[Connection, datetime]:
    """Rotation enabled on a user's secret that ends after so many days, and when that is."""
    app = register(world, "first")
    end = app.passwords[0].ends = world.clock() + days * DAY
    return await rotating(world, interval=interval), end


async def of_ours(world: FakeApplication) -> tuple[Connection, datetime]:
    """A connection whose secret was issued by a rotation, and when that one ends."""
    register(world, "first")
    connection = await rotating(world)
    await rotated(world, connection.id)
    (password,) = app_of(world).passwords
    assert password.ends is not None
    return connection, password.ends


async def failed(world: FakeApplication, connection: Connection) -> None:
    """A rotation by hand that Graph refuses."""
    app_of(world).may_manage = False
    await rotate(world, connection.id)
    await world.run(SETTLED)
    assert PERMISSION in str(status(world, connection)[1])


class TestOn:
    """Rotation is on."""

    async def test_a_secret_that_the_next_run_replaces_in_time_is_no_news(self, world: FakeApplication) -> None:
        connection, _ = await own_secret(world, 40)
        await world.run(30 * DAY)
        assert status(world, connection) == (Health.ACTIVE, None)
        await world.run(2 * DAY)
        assert row_of(world, connection.id).connection.rotation != connection.rotation, "it was rotated"
        assert status(world, connection) == (Health.ACTIVE, None)

    @pytest.mark.parametrize(("days", "state"), [(20, Health.DEGRADED), (45, Health.ACTIVE), (61, Health.ACTIVE)])
    async def test_one_that_ends_before_the_next_run_is_told_at_once(
        self, world: FakeApplication, days: int, state: Health
    ) -> None:
        connection, end = await own_secret(world, days, interval=60)
        await world.run(SETTLED)
        text = f"The client secret ends on {end:%Y-%m-%d}, and the next rotation is only on 2026-05-02. Rotate it now"
        assert status(world, connection) == (state, f"{text} (rotate-credentials).")
        await world.run(end - 10 * DAY - world.clock())
        assert status(world, connection)[0] is (Health.DEGRADED if days > 20 else state)
        await rotate(world, connection.id)
        await world.run(SETTLED)
        assert status(world, connection) == (Health.ACTIVE, None)

    async def test_enabling_it_later_says_so_in_the_answer(self, world: FakeApplication) -> None:
        app = register(world, "first")
        app.passwords[0].ends = world.clock() + 20 * DAY
        connection = await app_connection(world)
        schedule = {**SCHEDULE, "rotation_interval": 30}
        on = await update(
            world, connection.id, key_id=app.passwords[0].key_id, is_auto_rotation_enabled=True, rotation=schedule
        )
        assert on.status.state is Health.DEGRADED
        assert "and the next rotation is only on 2026-04-02. Rotate it now" in str(on.status.reason)

    async def test_enabling_again_late_says_that_the_secret_ends_before_the_next_run(
        self, world: FakeApplication
    ) -> None:
        connection, end = await of_ours(world)
        await update(world, connection.id, is_auto_rotation_enabled=False)
        await world.run(40 * DAY)
        assert status(world, connection)[0] is Health.DEGRADED
        on = await update(world, connection.id, is_auto_rotation_enabled=True)
        assert on.rotation is not None
        assert on.rotation.next_rotation_at is not None
        assert on.rotation.next_rotation_at > end
        assert on.status.state is Health.DEGRADED
        assert f"the next rotation is only on {on.rotation.next_rotation_at:%Y-%m-%d}" in str(on.status.reason)
        assert "enable rotation" not in str(on.status.reason)
        await rotate(world, connection.id)
        await world.run(SETTLED)
        assert status(world, connection) == (Health.ACTIVE, None)

    async def test_a_shorter_interval_ends_the_warning(self, world: FakeApplication) -> None:
        connection, _ = await own_secret(world, 20)
        changed = await update(world, connection.id, rotation={"rotation_interval": 5})
        assert (changed.status.state, changed.status.reason) == (Health.ACTIVE, None)

    async def test_a_secret_of_ours_with_one_run_left_says_so(self, world: FakeApplication) -> None:
        connection, end = await of_ours(world)
        await update(world, connection.id, rotation={"rotation_interval": 50})
        await world.run(end - 29 * DAY - world.clock())
        state, reason = status(world, connection)
        assert state is Health.DEGRADED
        assert "only the rotation on 2026-04-22 comes before. Should it fail, submit a new one." in str(reason)

    async def test_a_secret_that_has_ended_can_only_be_replaced(self, world: FakeApplication) -> None:
        connection, end = await own_secret(world, 20)
        await world.run(end - world.clock() + timedelta(hours=1))
        assert status(world, connection)[1] == f"The client secret ended on {end:%Y-%m-%d}. Submit a new one now."


class TestOff:
    """Rotation is off, and the last secret ends one day."""

    async def test_switched_off_because_it_fails_it_says_both(self, world: FakeApplication) -> None:
        connection, end = await of_ours(world)
        await failed(world, connection)
        off = await update(world, connection.id, is_auto_rotation_enabled=False)
        assert off.status.state is Health.DEGRADED
        assert PERMISSION in str(off.status.reason)
        assert f"the client secret in use ends on {end:%Y-%m-%d}" in str(off.status.reason)
        app_of(world).may_manage = True
        on = await update(world, connection.id, is_auto_rotation_enabled=True)
        assert (on.status.state, on.status.reason) == (Health.ACTIVE, None)

    async def test_a_run_by_hand_that_fails_keeps_saying_it(self, world: FakeApplication) -> None:
        connection, end = await of_ours(world)
        await update(world, connection.id, is_auto_rotation_enabled=False)
        await failed(world, connection)
        assert f"the client secret in use ends on {end:%Y-%m-%d}" in str(status(world, connection)[1])

    async def test_after_the_end_nothing_is_said_of_enabling_it_before(self, world: FakeApplication) -> None:
        connection, end = await of_ours(world)
        await update(world, connection.id, is_auto_rotation_enabled=False)
        world.clock.advance(end - world.clock() + DAY)
        await rotate(world, connection.id)
        await world.run(SETTLED)
        reason = str(status(world, connection)[1])
        assert reason.startswith("The client secret has expired")
        assert "Rotation is off" not in reason

    async def test_a_refusal_that_passes_keeps_it_too(self, world: FakeApplication) -> None:
        connection, _ = await of_ours(world)
        off = await update(world, connection.id, is_auto_rotation_enabled=False)
        await world.run(DAY)
        app_of(world).refused_with = Refusal("unauthorized_client", 7000112)
        await world.app.checking(CALLER, connection.id, None)
        assert status(world, connection)[0] is Health.DEGRADED
        app_of(world).refused_with = None
        await world.app.checking(CALLER, connection.id, None)
        assert status(world, connection) == (Health.ACTIVE, off.status.reason)

    async def test_near_the_end_it_says_what_to_do(self, world: FakeApplication) -> None:
        connection, end = await own_secret(world, 20)
        off = await update(world, connection.id, is_auto_rotation_enabled=False)
        text = f"The client secret ends on {end:%Y-%m-%d}. Submit a new one, or enable rotation before then."
        assert (off.status.state, off.status.reason) == (Health.DEGRADED, text)

    async def test_another_secret_ends_what_was_said_of_the_former(self, world: FakeApplication) -> None:
        connection, _ = await of_ours(world)
        await update(world, connection.id, is_auto_rotation_enabled=False)
        register(world, "second")
        changed = await update(world, connection.id, secret("second"))
        assert changed.status.reason is None

    async def test_disabling_says_when_the_last_secret_ends_and_enabling_takes_it_back(
        self, world: FakeApplication
    ) -> None:
        register(world, "first")
        made = await rotating(world)
        await rotated(world, made.id)
        off = await update(world, made.id, is_auto_rotation_enabled=False)
        ends = app_of(world).passwords[0].ends
        assert off.status.state is Health.ACTIVE
        assert f"ends on {ends:%Y-%m-%d}" in str(off.status.reason)
        on = await update(world, made.id, is_auto_rotation_enabled=True)
        assert on.status.reason is None
        await rotated(world, made.id)

    async def test_rotation_switched_off_while_a_run_is_under_way_still_says_when_the_last_secret_ends(
        self,
        world: FakeApplication,
    ) -> None:
        register(world, "first")
        connection = await rotating(world)
        await rotate(world, connection.id)
        await world.app.advance(ORG, connection.id)
        await update(world, connection.id, is_auto_rotation_enabled=False)
        await world.run(20 * MINUTE)
        row = row_of(world, connection.id)
        assert row.passwords is not None
        assert row.passwords.active is not None
        assert row.passwords.active.issued
        assert f"ends on {row.passwords.active.ends_at:%Y-%m-%d}" in str(row.connection.status.reason)

    async def test_the_end_of_a_secret_that_was_taken_over_is_known(self, world: FakeApplication) -> None:
        app = register(world, "first")
        app.passwords[0].ends = world.clock() + 40 * DAY
        connection = await rotating(world)
        off = await update(world, connection.id, is_auto_rotation_enabled=False)
        assert f"ends on {app.passwords[0].ends:%Y-%m-%d}" in str(off.status.reason)
        await world.run(11 * DAY)
        assert row_of(world, connection.id).connection.status.state is Health.DEGRADED
