"""Every external call of every scenario, and everything that can go wrong with it.

The calls are not listed anywhere: the scenario is run once to see how many it makes, so a call that is added tomorrow
is covered by itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from shared.domain.errors import ProductError, UpstreamTimeout, UpstreamUnavailable
from tests.fakes.application import FakeApplication
from tests.fakes.faults import Crash
from tests.faults import invariants
from tests.faults.scenarios import SCENARIOS, Scenario, upkeep
from tests.faults.switching import SWITCHING
from tests.unit.services.world import ORG

RECOVERY = timedelta(minutes=45)
"""Leases, holds, sweeps and the retries of a run are over by then."""

Plan = Callable[[FakeApplication, int], None]

FAULTS: dict[str, Plan] = {
    "dies before it": lambda world, nth: world.faults.before("*", Crash(), nth=nth),
    "dies after it acted": lambda world, nth: world.faults.after("*", Crash(), nth=nth),
    "an error": lambda world, nth: world.faults.before("*", UpstreamUnavailable("Azure"), nth=nth),
    "a time-out": lambda world, nth: world.faults.before("*", UpstreamTimeout("Azure"), nth=nth),
    "a time-out after it acted": lambda world, nth: world.faults.after("*", UpstreamTimeout("Azure"), nth=nth),
    "sent twice": lambda world, nth: world.faults.again(nth=nth),
}


async def calls_of(scenario: Scenario) -> int:
    """How many external calls the scenario makes."""
    world = scenario.world()
    connection_id = await scenario.prepare(world)
    before = len(world.faults.calls)
    await scenario.act(world, connection_id)
    return len(world.faults.calls) - before


async def recovered(world: FakeApplication, patience: timedelta) -> None:
    """A new process, time, every message once more, and a round of upkeep."""
    world.faults.restart()
    world.restart()
    world.topic.away = False
    world.clock.advance(patience)
    await world.run(RECOVERY)
    for row in invariants.rows(world):
        await world.app.advance(ORG, row.id)
    await upkeep(world)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scenario", [*SCENARIOS, *SWITCHING], ids=lambda scenario: scenario.name)
async def test_whatever_goes_wrong_at_any_call_everything_holds(
    scenario: Scenario, fault: str, caplog: pytest.LogCaptureFixture, record_property: Callable[[str, object], None]
) -> None:
    calls = await calls_of(scenario)
    assert calls > 0
    for nth in range(1, calls + 1):
        world = scenario.world()
        connection_id = await scenario.prepare(world)
        world.faults.watch = partial(_at_every_moment, world)
        FAULTS[fault](world, nth)
        with contextlib.suppress(Crash, ProductError):
            await scenario.act(world, connection_id)
        assert world.faults.fired == 1, "what was planned never happened"
        await recovered(world, scenario.patience)
        _at_rest(world, caplog.text)
        found = await upkeep(world)
        rest = (found.advanced, found.hints_restored, found.passwords_removed, found.flows_removed, found.failed)
        assert rest == (0, 0, 0, 0, 0), "a second round finds nothing"
        caplog.clear()
    record_property("fault_points", calls)


def _at_every_moment(world: FakeApplication) -> None:
    invariants.check_active_credentials(world)
    invariants.check_counts(world, at_most=3)


def _at_rest(world: FakeApplication, log: str) -> None:
    invariants.check_active_credentials(world)
    invariants.check_nothing_is_owed(world)
    invariants.check_counts(world, at_most=2)
    invariants.check_vault(world)
    invariants.check_events(world)
    invariants.check_no_secret_leaks(world, log)
    assert invariants.unknown_passwords(world) == set()
