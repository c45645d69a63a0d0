"""Rotating ten thousand app passwords that are due at once, under the published quotas, in simulated time.

`python -m bench.quotas [--connections 10000] [--repeats 5]` prints the figures.

The timer's and the workers' code is the product's own; Key Vault, Entra, Graph and the tables are fakes that take
their time and refuse with 429 what exceeds a quota in *any* window, wherever it begins. Graph's limits, which are
published for minutes, are held to within 10 seconds here, as Key Vault's are; `--graph-window 1` makes it each second.

**The floor** is what the quotas and Entra's propagation force: the k-th password is added and stored as soon as the
quotas let k through, and promoted the moment Entra knows it; each removal of a former password is a Graph write, too.
The product cannot know that moment: it asks, and proves a password twice, some seconds apart.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from bench.simulation import virtual_time
from bench.simulation.meter import Quota
from bench.simulation.run import Scenario, Simulation

CONNECTIONS, REPEATS = 10_000, 5
TENANTS = {"one tenant": 1, "500 tenants": 500}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run came to. Times in virtual seconds since all was due."""

    scenario: Scenario
    makespan: float
    """Until every rotation had succeeded and every former password was removed."""
    possible: list[float] = field(repr=False)
    """When each rotation could have succeeded, by the floor's reckoning, in order."""
    promoted: list[float] = field(repr=False)
    """When each did, in order."""
    writes_floor: float
    """When the last Graph write of the busiest tenant could have been made."""
    calls: int
    """To Key Vault, Entra and Graph."""
    refused: int
    """Of these, answered with 429."""
    moments: int
    without_credential: int
    """Of the `moments` looked at, those in which the active credential did not authenticate."""
    failed: int
    fullest: dict[str, int]
    """By quota, the most that any of its windows held, refused calls included."""

    @property
    def floor(self) -> float:
        """The least time for all of it."""
        return max(self.possible[-1], self.writes_floor)

    @property
    def ratio(self) -> float:
        """How many times the floor it took."""
        return self.makespan / self.floor

    @property
    def refused_share(self) -> float:
        """429s among all calls."""
        return self.refused / self.calls

    def __str__(self) -> str:
        scenario = self.scenario
        return (
            f"{scenario.connections} connections, {scenario.tenants} tenants, seed {scenario.seed}: "
            f"{self.makespan:.0f} s of {self.floor:.0f} s, ratio {self.ratio:.3f}; "
            f"429s {self.refused} of {self.calls} calls ({self.refused_share:.3%}); "
            f"without credential {self.without_credential} of {self.moments} moments; failed {self.failed}; "
            f"fullest windows {self.fullest}"
        )


def simulate(scenario: Scenario) -> Figures:
    """Live through one scenario, in virtual time on a loop of its own."""

    async def lived() -> Figures:
        simulation = Simulation(scenario)
        makespan = await simulation.live()
        meter, added = simulation.meter, simulation.added
        writes = Counter(tenant for tenant, _ in added)
        return Figures(
            scenario=scenario,
            makespan=makespan,
            possible=possible(added, meter.quotas),
            promoted=sorted(simulation.promoted.values()),
            writes_floor=_earliest(2 * max(writes.values()) - 1, meter.quotas["tenant"]),
            calls=meter.calls.total(),
            refused=meter.refused.total(),
            moments=simulation.moments,
            without_credential=simulation.without_credential,
            failed=simulation.failed,
            fullest=dict(meter.fullest),
        )

    return virtual_time.run(lived())


def possible(added: Sequence[tuple[str, float]], quotas: Mapping[str, Quota]) -> list[float]:
    """When rotations could have succeeded whose passwords, of that tenant and propagation, were added in this order."""
    in_tenant: Counter[str] = Counter()
    ends = []
    for number, (tenant, propagation) in enumerate(added):
        issued = max(_earliest(number, quotas["versions"]), _earliest(in_tenant[tenant], quotas["tenant"]))
        in_tenant[tenant] += 1
        ends.append(issued + propagation)
    return sorted(ends)


def _earliest(number: int, quota: Quota) -> float:
    """When the call after `number` others may be made at the earliest: the whole of each window at its beginning."""
    return number // quota.limit * quota.seconds


def main() -> None:
    """Run all and print each."""
    logging.getLogger("shared").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--graph-window", type=float, default=10.0, help="seconds (default: %(default)s)")
    options = parser.parse_args()
    for name, tenants in TENANTS.items():
        runs, began = [], time.monotonic()
        scenarios = [
            Scenario(options.connections, tenants, seed, graph_window=options.graph_window)
            for seed in range(1, options.repeats + 1)
        ]
        with ProcessPoolExecutor() as processes:
            for run in processes.map(simulate, scenarios):
                runs.append(run)
                print(run, flush=True)
        ratios = [run.ratio for run in runs]
        print(
            f"{name}: ratio {statistics.median(ratios):.3f} (worst {max(ratios):.3f}), "
            f"429s {max(run.refused_share for run in runs):.3%} at most, "
            f"{sum(run.without_credential for run in runs)} moments without a working credential, "
            f"{time.monotonic() - began:.0f} s of real time"
        )


if __name__ == "__main__":
    main()
