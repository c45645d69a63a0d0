"""A topic in memory."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.errors import UpstreamUnavailable
from shared.domain.events import Event
from tests.fakes.faults import Faults


class FakeEventTopic:
    """`EventTopic` in memory: keeps all that was sent, repeats included."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.sent: list[Event] = []
        self.away = False
        """Whether the topic takes nothing, and says so."""

    async def publish(self, events: Sequence[Event]) -> None:
        """See `EventTopic`."""
        async with self._faults.call("topic.publish"):
            if self.away:
                raise UpstreamUnavailable("Event Grid")
            self.sent += events

    def once(self) -> list[Event]:
        """What a receiver knows that drops repeats by id, in the order in which it first heard."""
        return list({event.id: event for event in self.sent}.values())
