"""Create with a code: our HTTP route against a bare HTTP function that makes the necessary calls."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Protocol
from uuid import uuid4

from bench import examples
from bench.hosts import Hosts
from bench.measure import Measure, Repeat, compared, p50
from bench.timing import Call, timed
from bench.world import World, wish
from local.client import KEY_VAULT

Series = tuple[list[float], list[float]]
"""Milliseconds of the product's calls and of the floor's."""


class Block(Protocol):
    """Some calls of the product and as many of the floor; which comes first, changes."""

    async def __call__(self, callers: int, *, http: bool) -> Series:
        """By so many callers at once; over HTTP or in this process."""


BLOCKS = {1: 32, 16: 128}
"""By the number of callers: calls of one kind before it is the other's turn."""
REPEATS = 5
QUIET_SECONDS = 3.0
"""What follows an answer of the product, delivering records, is over by then; the floor does not pay for it."""


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """Blocks of both by turns, over HTTP by one caller and by 16, then inside this process by one."""
    hosts, floor = await Hosts.started(world), await world.floor()
    written = await examples.creation(world, await world.client())
    names = (f"bench-{number}" for number in itertools.count())
    turns = itertools.cycle((True, False))

    async def block(callers: int, *, http: bool) -> Series:
        size = BLOCKS[callers]
        client, organisation = await world.client(), str(uuid4())  # new ones: the emulator searches row by row
        codes = await world.codes(client, 2 * size)

        def products() -> Iterator[Call]:
            for code in codes[:size]:
                body = wish(f"{next(names)}-{uuid4().hex[:6]}", code)
                if http:
                    yield partial(hosts.product, client, "POST", KEY_VAULT, body)
                else:
                    yield world.prepared("connections_create", client, body=body)

        def floors() -> Iterator[Call]:
            for code in codes[size:]:
                if http:
                    yield partial(hosts.floor, "POST", "create", {"organisation": organisation, "code": code})
                else:
                    yield partial(floor.create, organisation, code, written)

        if http:  # connections of the client's own
            await timed([partial(hosts.product, client, "GET", f"{KEY_VAULT}?limit=1")] * callers, callers=callers)
        is_ours = next(turns)
        bare = [] if is_ours else await timed(floors(), callers=callers)
        product = await timed(products(), callers=callers)
        await (asyncio.sleep(QUIET_SECONDS) if http else world.app.background.idle())
        return product, bare or await timed(floors(), callers=callers)

    for callers in BLOCKS:
        await block(callers, http=True)  # every connection is open, every cache warm
    await block(1, http=False)
    for _ in range(world.few(REPEATS, 2)):
        figures: dict[str, float] = {}
        for callers in BLOCKS:
            product, bare = await _blocks(block, callers, http=True, count=world.few(3, 1))
            figures |= compared(product, bare, f"{callers} caller{'s' if callers > 1 else ''}")
        product, bare = await _blocks(block, 1, http=False, count=world.few(2, 1))
        figures |= compared(product, bare, "in process")
        codes, organisation = await world.codes(await world.client(), BLOCKS[1]), str(uuid4())
        leanest = await timed(partial(floor.create_leanest, organisation, code, written) for code in codes)
        figures["leanest floor p50 ms, in process"] = p50(leanest)
        figures["p50 ÷ leanest floor, in process"] = p50(product) / p50(leanest)
        yield Repeat(max(figures["p50 ÷ floor, 1 caller"], figures["p50 ÷ floor, 16 callers"]), figures)


async def _blocks(block: Block, callers: int, *, http: bool, count: int) -> Series:
    products: list[float] = []
    floors: list[float] = []
    for _ in range(count):
        product, floor = await block(callers, http=http)
        products += product
        floors += floor
    return products, floors


MEASURE = Measure(
    name="create (code given), warm",
    how="p50 of our HTTP route ÷ a bare HTTP function (1 token call, 1 vault set, 2 table writes), 1 and 16 callers",
    limit=1.3,
    unit="ratio",
    repeats=repeats,
)
