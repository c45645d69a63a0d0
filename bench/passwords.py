"""Ten thousand app passwords that are due at once, in one tenant, under the published quotas: in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from bench import quotas
from bench.measure import Measure, Repeat
from bench.simulation.run import Scenario
from bench.world import World

CONNECTIONS, REPEATS, PROCESSES = 10_000, 5, 2
SHARES = range(0, 101, 10)
"""Percent of the rotations: when each of these shares was done is what the plot shows."""


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """A run a seed, in processes of their own: each has an event loop whose time is virtual."""
    connections = world.few(CONNECTIONS, 300)
    scenarios = [Scenario(connections, tenants=1, seed=seed) for seed in range(1, world.few(REPEATS, 2) + 1)]
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as processes:
        for run in [loop.run_in_executor(processes, partial(quotas.simulate, each)) for each in scenarios]:
            found = await run
            yield Repeat(
                found.ratio,
                {
                    "product s, simulated": found.makespan,
                    "floor s, simulated": found.floor,
                    "429s among all calls %": 100 * found.refused_share,
                    "moments without a working credential": found.without_credential,
                    "moments looked at": found.moments,
                    "failed rotations": found.failed,
                    **_done("product", found.promoted),
                    **_done("floor", found.possible),
                },
            )


def _done(whose: str, moments: Sequence[float]) -> dict[str, float]:
    return {f"{whose} s, {share} % done": moments[(len(moments) - 1) * share // 100] for share in SHARES}


MEASURE = Measure(
    name="rotate 10,000 app passwords, simulated",
    how="makespan in simulated time ÷ the floor that quotas and propagation allow; < 1 % 429s, no moment without",
    limit=1.15,
    unit="ratio",
    repeats=repeats,
    also={"429s among all calls %": 1, "moments without a working credential": 0, "failed rotations": 0},
)
