"""Arrivals at random moments, whoever still waits; and the highest rate that the product carries."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from bench.load.caller import Caller
from bench.load.samples import Phase, percentile

P95_SECONDS = 0.25
"""The promise: 95 of 100 answers come within this."""

FIRST_RATE = 6.0
LEAST_RATE = 2.0
STEP = 1.2
SEARCH_SECONDS = 120.0
SEARCH_WINDOW_SECONDS = 6.0
RECOVERY_WINDOWS = 6
HOLD_WINDOW_SECONDS = 5.0
RESERVE = 0.85
"""Of the highest rate that was carried for some seconds, the share that is held: rotations come in waves."""
BACK_OFF, CREEP = 0.75, 1.05
EASY = 0.6
"""A window whose p95 is below this share of the limit lets the rate creep up again."""
MOST_WAITING = 500


class Pace:
    """Begins one `act` after another, `rate` a second, as independent callers do: none waits for another's answer."""

    def __init__(self, act: Callable[[], Coroutine[Any, Any, None]], caller: Caller, chance: random.Random) -> None:
        self.rate = FIRST_RATE
        self.not_sent: Counter[Phase] = Counter()
        """By phase, arrivals that were left out because so many were waiting already."""
        self.windows: list[dict[str, float | int | None]] = []
        self.stopping = False
        self._act = act
        self._caller = caller
        self._chance = chance

    async def run(self) -> None:
        """Until `stopping` is set; then whoever still waits is waited for."""
        under_way: set[asyncio.Task[None]] = set()
        following = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while not self.stopping:
                following += self._chance.expovariate(self.rate)
                await asyncio.sleep(max(following - time.monotonic(), 0))
                if len(under_way) >= MOST_WAITING:
                    self.not_sent[self._caller.phase] += 1
                    continue
                task = group.create_task(self._act())
                under_way.add(task)
                task.add_done_callback(under_way.discard)

    async def search(self) -> float:
        """Raise the rate until p95 is over the limit twice in a row; the rate to hold, once the backlog is gone."""
        good, over = 0.0, 0
        until = time.monotonic() + SEARCH_SECONDS
        while time.monotonic() < until and over < 2:
            p95 = await self._window(SEARCH_WINDOW_SECONDS)
            if p95 is None or p95 <= P95_SECONDS:
                good, over = self.rate, 0
                self.rate *= STEP
            elif good:
                over += 1
            else:  # too much from the first; down until something is carried
                self.rate = max(self.rate / 2, LEAST_RATE)
        self.rate = max(good / 2, LEAST_RATE)
        for _ in range(RECOVERY_WINDOWS):
            p95 = await self._window(HOLD_WINDOW_SECONDS)
            if p95 is None or p95 <= P95_SECONDS:
                break
        self.rate = max(good * RESERVE, LEAST_RATE)
        return self.rate

    async def steer(self) -> None:
        """Keep the p95 under the limit until cancelled: down at once, up slowly, never above the rate found."""
        most = self.rate
        while True:
            p95 = await self._window(HOLD_WINDOW_SECONDS)
            if p95 is not None and p95 > P95_SECONDS:
                self.rate = max(self.rate * BACK_OFF, LEAST_RATE)
            elif p95 is not None and p95 < EASY * P95_SECONDS:
                self.rate = min(self.rate * CREEP, most)

    async def _window(self, seconds: float) -> float | None:
        """The p95 of what is asked in the next seconds; None when the host was down, or nothing was asked."""
        begun, up = time.monotonic(), self._caller.host_up.is_set()
        await asyncio.sleep(seconds)
        taken = self._caller.seconds_since(begun, slow=P95_SECONDS)
        gaps = self._caller.samples.gaps
        disturbed = not up or any(gap.ready >= begun for gap in gaps)
        p95 = None if disturbed or not taken else percentile(taken, 0.95)
        shown = None if p95 is None else round(p95 * 1000, 1)
        self.windows.append({"rate": round(self.rate, 1), "answers": len(taken), "p95": shown})
        print(f"  {self.rate:6.1f}/s  p95 {'host was down' if shown is None else f'{shown:.0f} ms'}", flush=True)
        return p95
