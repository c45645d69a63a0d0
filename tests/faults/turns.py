"""Two workers, and the exact order in which their calls to the outside world happen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import timedelta

from shared.domain.errors import ProductError
from tests.fakes.application import FakeApplication


@dataclass(slots=True)
class Turns:
    """The first worker makes `first` calls, the second makes `second`, then the first ends, then the second.

    Between the first's last call before the switch and the second's first, `pause` goes by: as long as a lease, it
    makes the first a worker that slept while another took over.
    """

    world: FakeApplication
    first: int
    second: int
    pause: timedelta
    _turn: int = 0
    _calls: list[int] = field(default_factory=lambda: [0, 0])
    _ended: list[bool] = field(default_factory=lambda: [False, False])
    _workers: list[asyncio.Task[None]] = field(default_factory=list)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self, first: Awaitable[object], second: Awaitable[object]) -> tuple[int, int]:
        """Run both to their ends; how many calls each made."""
        self.world.faults.gate = self.gate
        self._workers = [asyncio.create_task(self._work(index, act)) for index, act in enumerate((first, second))]
        await asyncio.gather(*self._workers)
        self.world.faults.gate = None
        return self._calls[0], self._calls[1]

    async def gate(self) -> None:
        """Wait until it is this worker's turn to call."""
        task = asyncio.current_task()
        if task not in self._workers:
            return
        me = self._workers.index(task)
        async with self._moved:
            await self._moved.wait_for(lambda: self._turn == me or self._ended[1 - me])
            self._calls[me] += 1
            self._pass_on(me)

    def _pass_on(self, me: int) -> None:
        if me == 0 and self._calls[0] == self.first and not self._calls[1]:
            self.world.clock.advance(self.pause)
            self._turn = 1
        elif me == 1 and self._calls[1] == self.second:
            self._turn = 0
        self._moved.notify_all()

    async def _work(self, me: int, act: Awaitable[object]) -> None:
        with contextlib.suppress(ProductError):
            await act
        async with self._moved:
            self._ended[me] = True
            self._turn = 1 - me
            self._moved.notify_all()
