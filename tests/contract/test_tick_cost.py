"""What one tick of the timer costs in requests and rows, however many connections there are."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import uuid4

from bench.tick import HOURS_AHEAD, Ticking

FEW, MANY, DUE = 1_000, 5_000, 100
PACE, LANES, MARKED = 2, 3, 2
"""Requests: two read the pace and move it on, one in each lane asks for a page, one in each of two marks its rows."""


async def test_a_tick_costs_the_same_among_few_connections_and_many(azurite: str) -> None:
    async with AsyncExitStack() as parts:
        for connections in (FEW, MANY):
            ticking = Ticking(azurite, f"due{uuid4().hex[:12]}")
            await ticking.open(parts)
            await ticking.seed(connections, due=DUE)
            for number in range(2):
                spent = await ticking.tick(due=DUE)
                assert (spent.table_requests, spent.queue_requests) == (PACE + LANES + MARKED, DUE), f"tick {number}"
                assert spent.rows_read == DUE + number, "and the pace, once there is one"
                assert spent.rows_in_range - DUE <= 1 + connections / HOURS_AHEAD / 60, "the rest of a minute at most"
                await ticking.seed_due(DUE)
