"""Queue `work` in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.services.ports import Clock, Release, Work
from tests.fakes.faults import Faults


class FakeWorkQueue:
    """`WorkQueue` in memory, and the way out of it."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self._faults = faults
        self._waiting: list[Release] = []

    async def send(self, releases: Sequence[Release]) -> None:
        """See `WorkQueue`."""
        async with self._faults.call("queue.send"):
            self._waiting += releases

    def readable_from(self, otherwise: datetime) -> datetime:
        """When the first message can be taken, past the faults."""
        return min((release.at for release in self._waiting), default=otherwise)

    def take(self) -> list[Work]:
        """What a worker may take by now, past the faults."""
        now = self._clock()
        taken = [release.work for release in self._waiting if release.at <= now]
        self._waiting = [release for release in self._waiting if release.at > now]
        return taken
