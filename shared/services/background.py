"""What an answer need not wait for.

A request writes what it owes into the row and answers; delivering records and retiring secret versions follow in the
same process, once no other such request has come for a moment: answers come first. Should the process die before, the
due row has the timer see to it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from shared.domain.connection import Row
from shared.domain.owed import Action
from shared.services.advance import Advance

log = logging.getLogger(__name__)

BEHIND_ANSWERS = (Action.SETTLE, Action.PUBLISH)
AT_ONCE = 2
"""How many connections are looked after at a time."""
REST_SECONDS = 0.2
"""Without another request that needs something to follow; then it is time for what follows."""
LONGEST_WAIT_SECONDS = 30.0
"""By then it follows all the same, however many requests come."""


class Background:
    """Delivers records and retires secret versions after their request was answered; nothing that takes long."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._last_request = 0.0
        self._awaited = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    def look_at(self, row: Row) -> None:
        """Settle `row` soon. Raises nothing, now or later."""
        self._last_request = time.monotonic()
        task = asyncio.create_task(self._run(row))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Wait until nothing is left to do, which is done at once."""
        self._awaited.set()
        try:
            while self._tasks:
                await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            self._awaited.clear()

    async def _rest(self) -> None:
        latest = time.monotonic() + LONGEST_WAIT_SECONDS
        while not self._awaited.is_set():
            seconds = min(self._last_request + REST_SECONDS, latest) - time.monotonic()
            if seconds <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awaited.wait(), seconds)

    async def _run(self, row: Row) -> None:
        try:
            await self._rest()
            async with self._turn:
                await self._advance(row.org_id, row.id, only=BEHIND_ANSWERS)
        except Exception:  # nobody waits for this task: the log line is all that a defect leaves
            log.exception("background.failed orgId=%s connectionId=%s", row.org_id, row.id)
