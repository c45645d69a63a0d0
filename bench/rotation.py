"""A thousand OAuth connections due at once: the ticks and the workers against a bare loop at the same concurrency."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient

from bench import examples
from bench.floor import Floor, Written
from bench.hosts import Hosts
from bench.measure import Measure, Repeat
from bench.timing import makespan, timed
from bench.world import BenchError, World, org_of
from local.entra import seed
from shared import bootstrap
from shared.adapters.azure import azure_adapters
from shared.adapters.work_queue import OPTIONS
from shared.domain.audit import Origin
from shared.domain.caller import Caller
from shared.domain.connection import Rotation
from shared.domain.creation import NewConnection, RotationPlan
from shared.domain.credential import Method
from shared.domain.quota import PERIOD
from shared.domain.schedule import RotateAt
from shared.services.ports.queue import WORK_QUEUE
from shared.services.proving import SubmittedCode
from shared.settings import Settings
from shared.web.application import Application

CONNECTIONS = 1_000
WORKERS = 16
"""As many messages as the host takes at a time (`batchSize` in host.json)."""
REPEATS = 5
PART = 4
"""Of how many connections one tells of the leanest floor, which is no limit's."""
ORGANISATION, AUDIT, DUE = "organisation", "audit", "due"
"""The floor's partitions, beside two of each connection's own for its records."""
RECORD = {"record": "x" * 400}
"""As long as a line in the history or the audit log."""
DUE_ROW = {"cost": ""}
"""The least that a due row can be."""


class Ahead:
    """The product's clock, moved on by hand."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> datetime:
        """See `Clock`."""
        return bootstrap.utc_now() + self.by

    def move_to(self, moment: datetime) -> None:
        """Let it be `moment` now."""
        self.by += moment - self()


class Fleet:
    """Connections that rotate together, and the product's background work on them in this process."""

    def __init__(self, app: Application, clock: Ahead, caller: Caller) -> None:
        self._app, self._clock, self._caller = app, clock, caller

    async def create(self, codes: Sequence[str]) -> None:
        """By the product's own use case."""
        new = [
            NewConnection(
                name=f"fleet-{number}",
                method=Method.OAUTH,
                is_auto_rotation_enabled=True,
                rotation=RotationPlan(rotation_interval=1, rotate_at_utc=RotateAt(hours=3, minutes=0)),
            )
            for number in range(len(codes))
        ]

        async def one(wanted: NewConnection, code: str) -> None:
            prove = self._app.proving.of(SubmittedCode(code, seed.CONTOSO_TENANT_ID))
            await self._app.creating.create(
                self._caller.org_id, wanted, project=None, prove=prove, requested=Origin.of(self._caller)
            )

        pairs = zip(new, codes, strict=True)
        await timed((partial(one, *pair) for pair in pairs), callers=WORKERS)
        await self._app.background.idle()

    async def come_due(self) -> datetime:
        """Let the time pass until all are due; the moment."""
        found = [each.next_rotation_at for each in await self._rotations() if each.next_rotation_at is not None]
        self._clock.move_to(max(found) + timedelta(seconds=1))
        return self._clock()

    async def work(self) -> None:
        """Ticks until nothing is due, and their messages worked on by `WORKERS` at a time, as the host does.

        The clock jumps from tick to tick, and no message waits for its second: the pace is another measure's.
        """
        while releases := await self._app.dispatch.tick():
            works = [each.work for each in releases]
            await timed(
                (partial(self._app.advance, each.org_id, each.connection_id) for each in works), callers=WORKERS
            )
            self._clock.by += PERIOD

    async def rotated_since(self, moment: datetime) -> int:
        """How many have rotated since."""
        found = [each.last_rotated_at for each in await self._rotations()]
        return sum(at is not None and at >= moment for at in found)

    async def _rotations(self) -> list[Rotation]:
        items, _ = await self._app.connections.page(self._caller, None, after=None, limit=CONNECTIONS)
        return [item.rotation for item in items if item.rotation is not None]


class Bare:
    """As many grants in the vault, renewed by the bare calls."""

    def __init__(self, floor: Floor, written: Written) -> None:
        self._floor, self._written = floor, written
        self._names: list[str] = []
        self._run = 0

    async def create(self, codes: Sequence[str]) -> None:
        """Store a grant for each code."""

        async def one(code: str) -> None:
            name = f"bare-{uuid4()}"
            await self._floor.set_secret(name, await self._floor.redeem(code))
            await self._floor.insert_all(ORGANISATION, name, self._written.inserted)
            await self._floor.put(DUE, f"{name}-{self._run}", DUE_ROW)
            self._names.append(name)

        await timed((partial(one, code) for code in codes), callers=WORKERS)

    async def leanest(self) -> float:
        """Seconds for one exchange, one new version and two table writes each; taken of a part and multiplied."""
        some = self._names[::PART]
        seconds = await makespan((partial(self._leanest, name) for name in some), callers=WORKERS)
        return seconds * len(self._names) / len(some)

    async def necessary(self) -> float:
        """Seconds for what the product's promises need at the least, each."""
        seconds = await makespan((partial(self._necessary, name) for name in self._names), callers=WORKERS)
        self._run += 1
        return seconds

    async def _leanest(self, name: str) -> None:
        floor, (row, *_) = self._floor, self._written.replaced
        await floor.set_secret(name, await floor.refresh(await floor.get_secret(name)))
        await floor.replace(ORGANISATION, name, row)
        await floor.put(DUE, f"{name}-{self._run}", DUE_ROW)

    async def _necessary(self, name: str) -> None:
        floor, (row, *_) = self._floor, self._written.replaced
        await floor.send(name)
        await floor.read(ORGANISATION, name)
        await floor.replace_all(ORGANISATION, name, self._written.replaced)  # lists say "in progress", too
        value, former = await floor.get_version(name)
        await floor.set_secret(name, await floor.refresh(value))
        await floor.replace_all(ORGANISATION, name, self._written.replaced)
        await floor.disable_secret(name, former)
        await floor.put(name, str(uuid4()), RECORD)
        await floor.put(AUDIT, str(uuid4()), RECORD)
        await floor.put(f"{AUDIT}-{name}", str(uuid4()), RECORD)
        await floor.put(DUE, f"{name}-{self._run + 1}", DUE_ROW)
        await floor.replace(ORGANISATION, name, row)
        await floor.remove(DUE, f"{name}-{self._run}")


async def repeats(world: World) -> AsyncIterator[Repeat]:
    """The product's thousand and the floor's."""
    await Hosts.stopped(world)  # it would work on the messages, too
    async with QueueClient.from_connection_string(world.stack.storage, WORK_QUEUE, **OPTIONS) as queue:
        with suppress(ResourceExistsError):
            await queue.create_queue()
        async for repeat in _repeats(world):
            yield repeat
        await queue.clear_messages()


async def _repeats(world: World) -> AsyncIterator[Repeat]:
    client, floor = await world.client(), await world.floor()
    count, clock, settings = world.few(CONNECTIONS, 64), Ahead(), Settings.from_environment()
    app = bootstrap.build(settings, **azure_adapters(settings, clock))
    written = await examples.creation(world, await world.client())  # the list of `client` is the fleet, and full
    fleet = Fleet(app, clock, Caller(org_id=org_of(client), object_id="bench"))
    world.say(f"creating {count} connections")
    await fleet.create(await world.codes(client, count))
    bare = Bare(floor, written)
    await bare.create(await world.codes(client, count))

    async def rotated() -> float:
        moment = await fleet.come_due()
        began = time.perf_counter()
        await fleet.work()
        seconds = time.perf_counter() - began
        if (found := await fleet.rotated_since(moment)) != count:
            raise BenchError(f"{found} of {count} connections rotated")
        return seconds

    for number in range(world.few(REPEATS, 2)):
        before = None if number % 2 else await rotated()  # by turns, whose turn is the first
        necessary = await bare.necessary()
        product = before or await rotated()
        leanest = await bare.leanest()
        figures = {
            "product s": product,
            "floor s": necessary,
            "leanest floor s": leanest,
            "÷ leanest floor": product / leanest,
        }
        yield Repeat(product / necessary, figures)


MEASURE = Measure(
    name="rotate 1,000 OAuth connections due at once",
    how=f"wall time of ticks and workers ÷ a bare loop of the necessary calls, {WORKERS} at a time",
    limit=1.3,
    unit="ratio",
    repeats=repeats,
)
