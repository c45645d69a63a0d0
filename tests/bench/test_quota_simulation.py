"""Rotations that are all due at once keep within the published quotas: the product's own code in simulated time."""

from __future__ import annotations

import asyncio

import pytest

from bench import quotas
from bench.simulation import virtual_time
from bench.simulation.meter import Meter
from bench.simulation.meter import quotas as published
from bench.simulation.run import Scenario
from shared.domain.errors import UpstreamUnavailable

OVERHEAD_SECONDS = 50
"""What a run may take beyond the pace's share, whatever is due: proofs, some in vain, polling, the calls themselves."""

LIMIT = 1.15
"""How many times the time that the quota allows a rotation may take, of many."""


@pytest.mark.parametrize("tenants", [1, 40])
def test_rotations_due_at_once_are_quick_keep_the_quotas_and_never_lack_a_credential(tenants: int) -> None:
    found = quotas.simulate(Scenario(connections=300, tenants=tenants, seed=7))
    assert (found.failed, len(found.promoted)) == (0, 300)
    assert found.without_credential == 0
    assert found.moments > 10 * 300
    assert found.refused == 0
    limits = published(found.scenario.graph_window)
    assert {name: most for name, most in found.fullest.items() if most > limits[name].limit} == {}
    assert found.fullest["versions"] > 0.85 * limits["versions"].limit, "the quota is made use of"
    assert found.makespan - found.floor < OVERHEAD_SECONDS


def test_each_rotation_more_takes_little_more_than_the_quota_allows() -> None:
    few, many = (quotas.simulate(Scenario(connections=number, tenants=1, seed=7)) for number in (300, 1800))
    versions = published(many.scenario.graph_window)["versions"]
    assert (many.makespan - few.makespan) / 1500 <= LIMIT * versions.seconds / versions.limit
    assert many.refused_share < 0.01
    assert (many.failed, many.without_credential) == (0, 0)


def test_the_floor_is_what_the_quotas_and_the_propagation_force() -> None:
    limits = published(1)
    assert quotas.possible([("t", 5.0), ("t", 60.0)], limits) == [5.0, 60.0]
    many = quotas.possible([(str(number), 5.0) for number in range(601)], limits)
    assert (many[0], many[300], many[600]) == (5.0, 15.0, 25.0), "300 in each 10 seconds"
    assert quotas.possible([("t", 5.0)] * 121, limits)[-1] == 7.0, "60 writes a second in one tenant"


def test_the_simulated_services_refuse_what_exceeds_a_window_wherever_it_begins() -> None:
    async def spend() -> list[bool]:
        meter = Meter(asyncio.get_running_loop().time, published(1))
        passed = []
        for pause in [0.0] * 30 + [0.9] + [0.0] * 30:
            await asyncio.sleep(pause)
            try:
                await meter.take("Graph", ("tenant", "t"))
            except UpstreamUnavailable as refusal:
                passed.append(refusal.retry_after != 1)
            else:
                passed.append(True)
        assert meter.refused.total() == passed.count(False)
        return passed

    assert virtual_time.run(spend()) == [True] * 60 + [False]


@pytest.mark.parametrize(("window", "tenant", "app"), [(1, 60, 20), (10, 600, 200), (300, 18_000, 6_000)])
def test_the_quotas_of_the_simulation_are_the_published_ones(window: float, tenant: int, app: int) -> None:
    limits = {name: (quota.limit, quota.seconds) for name, quota in published(window).items()}
    assert limits == {"versions": (300, 10), "vault": (4000, 10), "tenant": (tenant, window), "app": (app, window)}


def test_virtual_time_passes_at_once_and_a_loop_in_which_nobody_can_go_on_says_so() -> None:
    async def an_hour() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert virtual_time.run(an_hour()) == pytest.approx(3600)

    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="everybody waits"):
        virtual_time.run(stuck())
