"""What one tick of the timer costs in requests and rows, however many connections there are."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import uuid4

from bench.tick import Ticking

FEW, MANY, DUE = 20, 1_000, 10


async def test_a_tick_costs_the_same_among_few_connections_and_many(azurite: str) -> None:
    costs: dict[int, tuple[int, int]] = {}
    async with AsyncExitStack() as parts:
        for connections in (FEW, MANY):
            ticking = Ticking(azurite, f"due{uuid4().hex[:12]}")
            await ticking.open(parts)
            await ticking.seed(connections, due=DUE)
            requests, rows, _ = await ticking.tick(due=DUE)
            costs[connections] = requests, rows
    # the pace, a page of what is due in each of three lanes, and a transaction that marks it
    assert costs[FEW] == costs[MANY] == (5, DUE)
