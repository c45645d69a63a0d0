"""Access token from memory: our own time, with no upstream call."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bench.hosts import Hosts
from bench.measure import Measure, Repeat, p50, p95
from bench.timing import timed
from bench.upstream import counted
from bench.world import BenchError, World, wish
from local.client import KEY_VAULT

REPEATS = 7
CALLS = 2000
HTTP_CALLS = 200


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """Many callers' requests within the 60 seconds for which the row counts as read."""
    hosts, client = await Hosts.started(world), await world.client()
    (code,) = await world.codes(client, 1)
    made = await hosts.product(client, "POST", KEY_VAULT, wish("token", code))
    path = {"connectionId": made["appConnection"]["id"]}

    token = world.prepared("connections_access_token", client, path=path)

    async def token_over_http() -> None:
        await hosts.product(client, "POST", f"{KEY_VAULT}/{path['connectionId']}/access-token")

    for _ in range(world.few(REPEATS, 3)):
        await token()  # reads the row again where the last repeat is a minute ago
        with counted() as upstream:
            times = await timed([token] * world.few(CALLS, 200))
        if upstream.requests:
            raise BenchError(f"a token in memory cost {upstream.requests} upstream calls")
        await token_over_http()
        http = await timed([token_over_http] * world.few(HTTP_CALLS, 50))
        figures = {
            "product p50 ms": p50(times),
            "product p95 ms": p95(times),
            "upstream calls": upstream.requests,
            "product p50 ms, over HTTP": p50(http),
            "product p95 ms, over HTTP": p95(http),
        }
        yield Repeat(p50(times), figures)


MEASURE = Measure(
    name="access-token, in memory",
    how="p50 of our own time, no upstream call within the 60-second window",
    limit=3.0,
    unit="ms",
    repeats=repeats,
)
