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
from contextvars import Context, copy_context
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Waiting:
    """A connection to be looked after."""

    since: float
    context: Context
    """Of the request that it follows from: what is done then belongs to its trace."""


class Background:
    """Delivers records and retires secret versions after their request was answered; nothing that takes long."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._last_request = 0.0
        self._awaited = asyncio.Event()
        self._waiting: dict[tuple[str, str], Waiting] = {}  # the oldest first
        self._workers: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    def look_at(self, row: Row) -> None:
        """Settle `row` soon. Raises nothing, now or later."""
        self._last_request = time.monotonic()
        self._waiting.setdefault((row.org_id, row.id), Waiting(self._last_request, copy_context()))
        if len(self._workers) < AT_ONCE:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)  # one that was cancelled before it began

    async def idle(self) -> None:
        """Wait until nothing is left to do, which is done at once."""
        self._awaited.set()
        try:
            while self._workers:
                await asyncio.wait(set(self._workers))
        finally:
            self._awaited.clear()

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._rest(next(iter(self._waiting.values())).since)
                if self._waiting:  # another worker may have taken the last
                    (org_id, connection_id), waiting = next(iter(self._waiting.items()))
                    del self._waiting[org_id, connection_id]
                    task = asyncio.create_task(self._settle(org_id, connection_id), context=waiting.context)
                    await asyncio.wait([task])
        finally:  # at once: who looks between the end and a callback of the task would count on a worker that is gone
            self._workers.discard(asyncio.current_task())

    async def _rest(self, since: float) -> None:
        latest = since + LONGEST_WAIT_SECONDS
        while not self._awaited.is_set():
            seconds = min(self._last_request + REST_SECONDS, latest) - time.monotonic()
            if seconds <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awaited.wait(), seconds)

    async def _settle(self, org_id: str, connection_id: str) -> None:
        try:
            await self._advance(org_id, connection_id, only=BEHIND_ANSWERS)
        except Exception:  # nobody waits for this task: the log line is all that a defect leaves
            log.exception("background.failed orgId=%s connectionId=%s", org_id, connection_id)
