"""After the traffic: no call fails any more, schedules are switched off, and what is owed is waited for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from bench.load.caller import Caller
from bench.load.ledger import Wish
from bench.load.storage import Storage
from shared.domain.connection import Row
from shared.domain.owed import next_owed

SOON = timedelta(minutes=30)
"""What is owed later is no work of this run: keys are forgotten after a day, grants renewed after a week."""

AT_ONCE = 8
LOOK_SECONDS = 5.0
TELL_SECONDS = 30.0


def owed_soon(rows: Iterable[Row], now: datetime) -> Counter[str]:
    """How many rows owe each action within the next half hour, by the first that each owes."""
    first = (next_owed(row) for row in rows)
    return Counter(owed.action.value for owed in first if owed is not None and owed.at < now + SOON)


async def switch_off_rotation(caller: Caller) -> None:
    """Or schedules of seconds would owe something for ever."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def switch_off(wish: Wish) -> None:
        async with limit:
            for _ in range(5):  # a worker may write at the same moment
                status = await caller.patch(wish, {"isAutoRotationEnabled": False})
                if status in (200, 404):
                    return
                await asyncio.sleep(1)
            caller.ledger.unexpected.append(f"the rotation of {wish.name} could not be switched off: {status}")

    await asyncio.gather(*(switch_off(wish) for wish in caller.ledger.wishes if wish.id and wish.rotates))


async def come_to_rest(storage: Storage, patience: float) -> dict[str, int]:
    """Wait until no row owes anything soon and no message waits; what is still left when `patience` is over.

    The timer drops a due row of the past that no row names when it was sent in vain and its writer must be gone.
    """
    begun = time.monotonic()
    told = -TELL_SECONDS
    while True:
        now = datetime.now(UTC)
        left = +owed_soon(await storage.rows(), now)
        left += Counter({"due rows of the past": sum(due.at < now for due in await storage.due())})
        left += Counter({f"queue {name}": number for name, number in (await storage.waiting()).items()})
        spent = time.monotonic() - begun
        if not left or spent > patience:
            return dict(left)
        if spent - told >= TELL_SECONDS:
            told = spent
            named = ", ".join(f"{what} {number}" for what, number in sorted(left.items()))
            print(f"  {spent:4.0f} s  still owed: {named}", flush=True)
        await asyncio.sleep(LOOK_SECONDS)
