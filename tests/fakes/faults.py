"""Failures on demand, the same way for every call of every fake.

Each call to the outside world passes `Faults.call` under its name, such as `vault.put`: the names come out in `calls`,
in order, and a test can make any of them fail before it acts (the request was lost) or after (the answer was lost).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from fnmatch import fnmatchcase

Effect = BaseException | Callable[[], Awaitable[None]]
"""What happens at the chosen point: something is raised, or something else runs meanwhile, such as another worker."""


class Crash(BaseException):
    """The process died here. No `except Exception` may survive it, and whatever does finds every call dead."""


class _When(Enum):
    BEFORE = auto()
    AFTER = auto()


@dataclass(slots=True)
class _Plan:
    when: _When
    pattern: str
    effect: Effect
    skip: int
    times: int

    def takes(self, when: _When, name: str) -> bool:
        """Whether this call is one that the plan is for. Counts."""
        if self.when is not when or not self.times or not fnmatchcase(name, self.pattern):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Faults:
    """The one door between the use cases and the fakes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._plans: list[_Plan] = []
        self._dead = False
        self._repeat: int | None = None
        self.fired = 0
        """How often a planned failure, or a second sending, really happened."""
        self.watch: Callable[[], None] | None = None
        """Called before every call: what must hold at each moment is checked here."""
        self.gate: Callable[[], Awaitable[None]] | None = None
        """Awaited before every call: who may go on is decided here."""
        self._delay = 0.0
        self._jitter = random.Random(1)  # noqa: S311 -- the same at every run

    def slow(self, seconds: float) -> None:
        """Let every call take that long, a little more or less, so that workers overtake each other as in life."""
        self._delay = seconds

    def before(self, pattern: str, effect: Effect, *, nth: int = 1, times: int = 1) -> None:
        """Let `effect` happen instead of the `nth` call from now whose name matches, and of `times` - 1 after it.

        The pattern is a shell's: `vault.*` is every call to the vault, `*` every call.
        """
        self._plans.append(_Plan(_When.BEFORE, pattern, effect, nth - 1, times))

    def after(self, pattern: str, effect: Effect, *, nth: int = 1, times: int = 1) -> None:
        """The same, once the call has acted: its answer, good or bad, is lost."""
        self._plans.append(_Plan(_When.AFTER, pattern, effect, nth - 1, times))

    def again(self, *, nth: int) -> None:
        """Let the client send the `nth` call from now twice: it acted, its first answer was lost, the second came."""
        self._repeat = len(self.calls) + nth

    def clear(self) -> None:
        """Behave from now on."""
        self._plans.clear()
        self._repeat = None

    def restart(self) -> None:
        """A new process after a crash: calls work again, and nothing that was planned for the old one is left."""
        self.clear()
        self._dead = False

    @asynccontextmanager
    async def call(self, name: str) -> AsyncIterator[bool]:
        """Wrap what one call does to the fake's state; True when it is sent twice, which few calls can tell."""
        self._check_alive()
        if self.gate is not None:
            await self.gate()
        if self.watch is not None:
            self.watch()
        self.calls.append(name)
        repeated = self._repeat == len(self.calls)
        self.fired += repeated
        await asyncio.sleep(self._delay * self._jitter.uniform(0.75, 1.25))  # a real call lets others run
        await self._meet(_When.BEFORE, name)
        try:
            yield repeated
        finally:
            await self._meet(_When.AFTER, name)

    async def _meet(self, when: _When, name: str) -> None:
        self._check_alive()
        for plan in list(self._plans):
            if plan.takes(when, name):
                self.fired += 1
                if not isinstance(plan.effect, BaseException):
                    await plan.effect()
                    continue
                self._dead = isinstance(plan.effect, Crash)
                raise plan.effect

    def _check_alive(self) -> None:
        if self._dead:
            raise Crash
