"""Memory: the host's resident set after 1,000 mixed requests, and how it grows in 10,000 more."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

from bench.hosts import Hosts
from bench.measure import Measure, Repeat
from bench.timing import Call, timed
from bench.world import World, wish
from local.client import KEY_VAULT, Client
from local.entra import seed

FIRST = 1_000
MORE = 10_000
REPEATS = 5
READINGS = 5
"""On the way from the first to the last."""
CONNECTIONS = 40
CALLERS = 4
SEED = 20_26


class Mixture:
    """Requests as programs send them: most read, some ask for a token, a few create and delete."""

    def __init__(self, hosts: Hosts, client: Client, ids: list[str]) -> None:
        self._hosts, self._client, self._ids = hosts, client, ids
        self._names = (f"passing-{number}" for number in itertools.count())
        self._chance = random.Random(SEED)

    def requests(self, count: int) -> Iterator[Call]:
        """The next so many."""
        kinds: list[Callable[[], Call]] = [self._get] * 5 + [self._token] * 8 + [self._list] * 2 + [self._link] * 4
        kinds += [self._passing]
        for _ in range(count):
            yield self._chance.choice(kinds)()

    def _get(self) -> Call:
        return partial(self._product, "GET", f"{KEY_VAULT}/{self._chance.choice(self._ids)}")

    def _token(self) -> Call:
        return partial(self._product, "POST", f"{KEY_VAULT}/{self._chance.choice(self._ids)}/access-token")

    def _list(self) -> Call:
        return partial(self._product, "GET", f"{KEY_VAULT}?limit=20")

    def _link(self) -> Call:
        return partial(
            self._product, "POST", f"{KEY_VAULT}/oauth/authorize", {"name": next(self._names), "method": "oauth"}
        )

    def _passing(self) -> Call:
        return partial(self._created_and_deleted, next(self._names))

    async def _created_and_deleted(self, name: str) -> None:
        code = await self._client.code(user=seed.CONTOSO_ADA_ID)
        made = await self._hosts.product(self._client, "POST", KEY_VAULT, wish(name, code))
        await self._hosts.product(self._client, "DELETE", f"{KEY_VAULT}/{made['appConnection']['id']}")

    async def _product(self, method: str, path: str, body: object = None) -> None:
        await self._hosts.product(self._client, method, path, body)


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """Each in a host of its own."""
    for _ in range(world.few(REPEATS, 1)):
        await Hosts.stopped(world)
        hosts, client = await Hosts.started(world), await world.client()
        ids = []
        for number, code in enumerate(await world.codes(client, CONNECTIONS)):
            made = await hosts.product(client, "POST", KEY_VAULT, wish(f"standing-{number}", code))
            ids.append(made["appConnection"]["id"])
        mixture = Mixture(hosts, client, ids)
        await timed(mixture.requests(world.few(FIRST, 200)), callers=CALLERS)
        figures = {f"after {FIRST:,} MB": resident_megabytes(hosts.pid())}
        for reading in range(1, READINGS + 1):
            await timed(mixture.requests(world.few(MORE // READINGS, 40)), callers=CALLERS)
            figures[f"after {FIRST + reading * MORE // READINGS:,} MB"] = resident_megabytes(hosts.pid())
        first, *_, last = figures.values()
        yield Repeat((last / first - 1) * 100, figures)


def resident_megabytes(pid: int) -> float:
    """The process's resident set (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


MEASURE = Measure(
    name="memory",
    how="growth of the host's resident set from 1,000 mixed requests to 11,000, in a new host each time",
    limit=5.0,
    unit="%",
    repeats=repeats,
)
