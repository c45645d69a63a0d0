"""What Azure Functions does around the code: a queue that hides messages, instances that poll it, a timer."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from math import ceil

from shared.domain.quota import PERIOD
from shared.services.ports import Clock, Release, Work
from shared.web.application import Application

BATCH, THRESHOLD = 16, 8
"""host.json's `batchSize` and `newBatchThreshold`: an instance takes 16 more messages when it is down to 8."""

POLL_SECONDS = (0.1, 2.0)
"""How long an instance that found nothing waits before it looks again: doubled up to `maxPollingInterval`."""

SEND_SECONDS, SENT_AT_ONCE = 0.015, 32
"""What putting one message on the queue takes, and how many are on their way at a time."""

TWICE = 0.01
"""The share of messages that come twice: the queue promises at least once."""

LATE_SECONDS = 0.3
"""How late a tick may begin."""


class SimulatedQueue:
    """`WorkQueue` whose messages are hidden for whole seconds, as the storage service does."""

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._number = count()
        self._messages: list[tuple[datetime, int, Work]] = []

    async def send(self, releases: Sequence[Release]) -> None:
        """See `WorkQueue`."""
        for start in range(0, len(releases), SENT_AT_ONCE):
            await asyncio.sleep(SEND_SECONDS)
            now = self._clock()
            for release in releases[start : start + SENT_AT_ONCE]:
                hidden = max(0, ceil((release.at - now).total_seconds()))
                for _ in range(1 + (self._chance.random() < TWICE)):
                    visible = now + timedelta(seconds=hidden)
                    heapq.heappush(self._messages, (visible, next(self._number), release.work))

    def take(self) -> list[Work]:
        """A batch of visible messages."""
        now = self._clock()
        taken: list[Work] = []
        while self._messages and self._messages[0][0] <= now and len(taken) < BATCH:
            taken.append(heapq.heappop(self._messages)[2])
        return taken


async def instance(application: Application, queue: SimulatedQueue, chance: random.Random) -> None:
    """Poll the queue and work, as one instance of the host does; never ends."""
    running: set[asyncio.Task[None]] = set()
    pause = POLL_SECONDS[0]
    async with asyncio.TaskGroup() as tasks:
        while True:
            if len(running) > THRESHOLD:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                continue
            taken = queue.take()
            for work in taken:
                task = tasks.create_task(application.advance(work.org_id, work.connection_id))
                running.add(task)
                task.add_done_callback(running.discard)
            pause = POLL_SECONDS[0] if taken else min(2 * pause, POLL_SECONDS[1])
            await asyncio.sleep(pause * (0.5 + 0.5 * chance.random()))


async def timer(application: Application, chance: random.Random) -> None:
    """A tick each period from now on, each a little late; never ends."""
    loop, period = asyncio.get_running_loop(), PERIOD.total_seconds()
    began = loop.time()
    for number in count():
        await asyncio.sleep(max(0, began + number * period + LATE_SECONDS * chance.random() - loop.time()))
        await application.dispatch.tick()
