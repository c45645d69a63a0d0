"""Two workers on one connection, in every order of their calls up to two changes from one to the other.

A slow duplicate that wakes after the other has promoted is among them: that is the pause of a lease.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from shared.domain.connection import LONGEST_RUN
from shared.domain.errors import UpstreamUnavailable
from shared.domain.rotation import LEASE
from tests.fakes.application import FakeApplication, fake_application
from tests.faults import invariants
from tests.faults.scenarios import (
    Prepare,
    a_rotated_app,
    a_rotation_under_way,
    an_app_connection,
    an_oauth_connection,
    upkeep,
)
from tests.faults.turns import Turns
from tests.unit.services.apps import secret, update
from tests.unit.services.world import CALLER, ORG, rotate

MOST, MOST_ISSUING = 8, 17
"""Changes are tried after each of the first so many calls of either worker. Adding a password is further on."""

RECOVERY = timedelta(minutes=45)

Work = Callable[[FakeApplication, str], Awaitable[object]]


async def advance(world: FakeApplication, connection_id: str) -> None:
    await world.app.advance(ORG, connection_id)


async def rename(world: FakeApplication, connection_id: str) -> None:
    await update(world, connection_id, name="renamed")


async def replace(world: FakeApplication, connection_id: str) -> None:
    app = world.apps.apps[secret().tenant_id, secret().client_id]
    key_id = next(password.key_id for password in app.passwords if password.value == "second")
    await update(world, connection_id, secret("second"), key_id=key_id)


async def delete(world: FakeApplication, connection_id: str) -> None:
    await world.app.connections.delete(CALLER, connection_id)


async def rotate_and_advance(world: FakeApplication, connection_id: str) -> None:
    await rotate(world, connection_id)
    await world.app.advance(ORG, connection_id)


async def keep_up(world: FakeApplication, _: str) -> None:
    await upkeep(world)


async def requested(prepare: Prepare, world: FakeApplication) -> str:
    """Prepared, and a rotation asked for."""
    connection_id = await prepare(world)
    await rotate(world, connection_id)
    return connection_id


async def to_be_kept_alive(world: FakeApplication) -> str:
    """Its stored refresh token is more than a week old."""
    connection_id = await an_oauth_connection(world)
    world.clock.advance(timedelta(days=9))
    return connection_id


async def nearly_proven(world: FakeApplication) -> str:
    """The next success promotes."""
    connection_id = await a_rotation_under_way(world)
    world.clock.advance(timedelta(seconds=16))
    return connection_id


async def in_debt(world: FakeApplication) -> str:
    """Promoted; the former passwords are still to be removed."""
    connection_id = await nearly_proven(world)
    world.faults.before("graph.remove_password", UpstreamUnavailable("Microsoft Graph"))
    await world.app.advance(ORG, connection_id)
    world.clock.advance(timedelta(seconds=31))
    return connection_id


@dataclass(frozen=True, slots=True)
class Pair:
    """Two workers and where they begin."""

    name: str
    prepare: Prepare
    first: Work
    second: Work
    most: int = MOST


PAIRS = [
    Pair("two workers, a grant", partial(requested, an_oauth_connection), advance, advance),
    Pair("two workers, issuing", partial(requested, a_rotated_app), advance, advance, MOST_ISSUING),
    Pair("two workers, first time", partial(requested, an_app_connection), advance, advance, MOST_ISSUING),
    Pair("two workers, proving", nearly_proven, advance, advance),
    Pair("two workers, revoking", in_debt, advance, advance),
    Pair("issuing and a rename", partial(requested, a_rotated_app), advance, rename),
    Pair("issuing and another secret", partial(requested, a_rotated_app), advance, replace, MOST_ISSUING),
    Pair("proving and another secret", nearly_proven, advance, replace),
    Pair("another secret and proving", nearly_proven, replace, advance),
    Pair("issuing and a deletion", partial(requested, a_rotated_app), advance, delete),
    Pair("issuing and upkeep", partial(requested, a_rotated_app), advance, keep_up, MOST_ISSUING),
    Pair("upkeep and issuing", partial(requested, a_rotated_app), keep_up, advance, MOST_ISSUING),
    Pair("two workers, keeping alive", to_be_kept_alive, advance, advance),
    Pair("keeping alive and rotating", to_be_kept_alive, advance, rotate_and_advance),
    Pair("rotating and keeping alive", to_be_kept_alive, rotate_and_advance, advance),
    Pair("keeping alive and a deletion", to_be_kept_alive, advance, delete),
    Pair("another secret and upkeep", a_rotated_app, replace, keep_up),
]
PAUSES = {"at once": timedelta(), "after a lease": LEASE + timedelta(seconds=1)}


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
async def test_in_whatever_order_two_workers_call_everything_holds(
    pair: Pair, pause: str, record_property: Callable[[str, object], None]
) -> None:
    tried = 0
    bound = pair.most if PAUSES[pause] else MOST
    first, most = 1, bound
    while first <= most:
        second, reached = 1, bound
        while second <= reached:
            calls = await _run(pair, first, second, PAUSES[pause])
            most, reached = min(bound, calls[0]), min(bound, calls[1])
            second += 1
            tried += 1
        first += 1
    record_property("interleavings", tried)


async def _run(pair: Pair, first: int, second: int, pause: timedelta) -> tuple[int, int]:
    world = fake_application()
    connection_id = await pair.prepare(world)
    world.faults.watch = partial(invariants.check_active_credentials, world)
    turns = Turns(world, first, second, pause)
    calls = await turns.run(pair.first(world, connection_id), pair.second(world, connection_id))
    await world.app.background.idle()
    await world.run(RECOVERY + LONGEST_RUN)
    await upkeep(world)
    invariants.check_active_credentials(world)
    invariants.check_nothing_is_owed(world)
    invariants.check_counts(world, at_most=2)
    invariants.check_vault(world)
    assert invariants.unknown_passwords(world) == set()
    return calls
