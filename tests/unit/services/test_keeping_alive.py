"""A grant does not die of neglect, and does not wear out its secret either."""

from __future__ import annotations

import logging
import os
import zlib
from collections import Counter
from datetime import timedelta
from statistics import mean

import pytest

from shared.domain.connection import LONGEST_RUN, Health
from shared.domain.errors import Refusal, UpstreamUnavailable
from shared.domain.keep_alive import KEEPALIVE_AFTER
from shared.services.invocation import invocation
from shared.services.telemetry import NoTelemetry
from tests.fakes.application import FakeApplication
from tests.fakes.entra import ADA
from tests.fakes.faults import Crash
from tests.unit.services.rotations import outcomes
from tests.unit.services.world import (
    CALLER,
    DAY,
    MINUTE,
    MONTHLY,
    ORG,
    active_credential,
    created,
    delete,
    rotate,
    row_of,
    wish,
)

YEAR = 365 * DAY
CONNECTIONS = int(os.environ.get("YEAR_CONNECTIONS", "20"))
"""`make year` takes a thousand."""
MOST_VERSIONS = 60


def versions(world: FakeApplication, connection_id: str) -> int:
    """Secret versions ever written of a connection."""
    return len(world.vault.secrets[row_of(world, connection_id).secret_name])


async def test_a_grant_that_nobody_uses_is_renewed_within_a_day_after_its_week(world: FakeApplication) -> None:
    connection = await created(world)
    first = active_credential(world, connection.id)
    await world.run(KEEPALIVE_AFTER - MINUTE)
    assert active_credential(world, connection.id) == first
    await world.run(DAY + 10 * MINUTE)
    second = active_credential(world, connection.id)
    assert second.refresh_token != first.refresh_token
    assert second.issued_at > first.issued_at
    assert len(world.vault.readable()[row_of(world, connection.id).secret_name]) == 1
    assert row_of(world, connection.id).connection.updated_at == connection.updated_at
    assert outcomes(world, connection.id) == [], "it is no rotation"


async def test_a_renewal_is_logged_with_the_run_that_did_it(
    world: FakeApplication, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "shared.services.keep_alive")
    connection = await created(world)
    world.clock.advance(KEEPALIVE_AFTER + DAY)
    with invocation(NoTelemetry(), "run work_advance", request_id="4bf92f3577b34da6a3ce929d0e0e4736", parent=None):
        await world.app.advance(ORG, connection.id)
    assert [record.message for record in caplog.records if record.message.startswith("grant.")] == [
        f"grant.renewed orgId={ORG} connectionId={connection.id} requestId=4bf92f3577b34da6a3ce929d0e0e4736"
    ]


async def test_grants_made_together_part(world: FakeApplication) -> None:
    ids = [(await created(world, wish(f"c-{number}"))).id for number in range(50)]
    renewals = {world.due.hints(connection_id)[0].hint.at for connection_id in ids}
    assert len(renewals) > 40
    assert max(renewals) - min(renewals) > timedelta(hours=12)
    assert zlib.crc32(b"") == 0, "the spread depends on the id alone, so it is the same in every process"


async def test_a_rotation_makes_keep_alive_wait(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    await world.run(5 * DAY)
    await rotate(world, connection.id)
    await world.app.advance(ORG, connection.id)
    rotated = active_credential(world, connection.id)
    await world.run(6 * DAY)
    assert active_credential(world, connection.id) == rotated


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["connections.replace", "vault.get", "entra.refresh", "vault.put"])
async def test_a_crash_leaves_neither_a_dead_grant_nor_a_readable_stray(
    world: FakeApplication, when: str, call: str
) -> None:
    connection = await created(world)
    world.clock.advance(KEEPALIVE_AFTER + DAY)
    getattr(world.faults, when)(call, Crash())
    with pytest.raises(Crash):
        await world.app.advance(ORG, connection.id)
    world.restart()
    await world.run(timedelta(minutes=30) + LONGEST_RUN)
    assert world.entra.knows(active_credential(world, connection.id).refresh_token)
    assert len(world.vault.readable()[row_of(world, connection.id).secret_name]) == 1
    assert row_of(world, connection.id).exchange is None


async def test_a_rotation_that_overtakes_a_renewal_wins(world: FakeApplication) -> None:
    connection = await created(world, wish(rotation=MONTHLY))
    world.clock.advance(KEEPALIVE_AFTER + DAY)

    async def overtaken() -> None:
        world.faults.clear()
        await rotate(world, connection.id)
        await world.app.advance(ORG, connection.id)

    world.faults.before("vault.put", overtaken)
    await world.app.advance(ORG, connection.id)
    assert outcomes(world, connection.id) == ["success"]
    await world.run(LONGEST_RUN + 5 * MINUTE)
    assert world.entra.knows(active_credential(world, connection.id).refresh_token)
    assert len(world.vault.readable()[row_of(world, connection.id).secret_name]) == 1


async def test_a_sweep_takes_no_version_that_a_renewal_is_about_to_promote(world: FakeApplication) -> None:
    connection = await created(world)
    world.clock.advance(KEEPALIVE_AFTER + DAY)
    world.faults.before("vault.put", Crash())
    with pytest.raises(Crash):
        await world.app.advance(ORG, connection.id)
    world.restart()
    world.clock.advance(LONGEST_RUN + MINUTE)

    async def swept() -> None:
        world.faults.clear()
        await world.app.advance(ORG, connection.id)

    world.faults.after("vault.put", swept)
    await world.app.advance(ORG, connection.id)
    assert world.entra.knows(active_credential(world, connection.id).refresh_token)


async def test_a_revoked_grant_is_judged_once_and_left_alone(world: FakeApplication) -> None:
    connection = await created(world)
    world.entra.revoke(ADA, Refusal("invalid_grant", 700082))
    await world.run(KEEPALIVE_AFTER + DAY)
    status = row_of(world, connection.id).connection.status
    assert status.state is Health.NEEDS_RECONNECT
    assert "AADSTS700082" in str(status.reason)
    world.faults.calls.clear()
    await world.run(30 * DAY)
    assert "entra.refresh" not in world.faults.calls


async def test_an_outage_of_a_day_delays_and_judges_nothing(world: FakeApplication) -> None:
    connection = await created(world)
    world.faults.before("entra.refresh", UpstreamUnavailable("Microsoft Entra ID"), times=25)
    await world.run(KEEPALIVE_AFTER + 3 * DAY)
    row = row_of(world, connection.id)
    assert row.connection.status.state is Health.ACTIVE
    assert row.stored_at is not None
    assert row.stored_at > connection.created_at


async def test_a_deleted_connection_is_not_renewed(world: FakeApplication) -> None:
    connection = await created(world)
    await delete(world, connection.id)
    world.faults.calls.clear()
    await world.run(9 * DAY)
    assert "entra.refresh" not in world.faults.calls


async def test_in_a_year_no_grant_dies_half_of_them_used_daily_and_half_never(
    world: FakeApplication, capsys: pytest.CaptureFixture[str]
) -> None:
    """None dies, and the cost follows what is due."""
    ids = [(await created(world, wish(f"c-{number}"))).id for number in range(CONNECTIONS)]
    used, unused = ids[::2], ids[1::2]
    end = world.clock() + YEAR
    world.faults.calls.clear()
    while world.clock() < end:
        await world.run(DAY)
        for connection_id in used:
            await world.app.tokens.token(CALLER, connection_id)
        world.faults.calls = [name for name in world.faults.calls if name in ("entra.refresh", "vault.put")]
    written = {connection_id: versions(world, connection_id) for connection_id in ids}
    died = [connection_id for connection_id in ids if not is_alive(world, connection_id)]
    renewals = world.faults.calls.count("vault.put")
    with capsys.disabled():
        print(f"\n{CONNECTIONS} connections, a year, half of them used daily; died: {died or 'none'}")  # noqa: T201 -- for whoever runs `make year`
        for name, part in (("used daily", used), ("never used", unused)):
            print(f"secret versions of those {name}: {summary([written[each] for each in part])}")  # noqa: T201 -- as above
    assert not died
    assert max(written.values()) <= MOST_VERSIONS
    assert renewals == sum(written.values()) - CONNECTIONS
    assert world.faults.calls.count("entra.refresh") - renewals <= len(used) * 366, "one use a day, one call"


def is_alive(world: FakeApplication, connection_id: str) -> bool:
    """Whether the row says so and Entra still takes what is stored."""
    active = row_of(world, connection_id).connection.status.state is Health.ACTIVE
    return active and world.entra.knows(active_credential(world, connection_id).refresh_token)


def summary(numbers: list[int]) -> str:
    """Mean, most, and how many there are of each."""
    histogram = ", ".join(f"{number}: {count}" for number, count in sorted(Counter(numbers).items()))
    return f"mean {mean(numbers):.1f}, most {max(numbers)}, histogram {{{histogram}}}"
