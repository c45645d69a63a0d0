"""Handing over what other programs are told of: its own debt of the row, so that a topic in trouble delays nothing."""

from __future__ import annotations

import logging

from shared.domain.connection import Row
from shared.domain.events import event_of, waiting
from shared.domain.owed import Action
from shared.services.ports import EventTopic, Stored
from shared.services.rows import Rows

log = logging.getLogger(__name__)


class Publishing:
    """A step for `Advance`; done again, it sends events with the same ids."""

    def __init__(self, *, rows: Rows, topic: EventTopic | None) -> None:
        self._rows = rows
        self._topic = topic

    async def publish(self, stored: Stored) -> None:
        """Publish the waiting events; where no topic is configured any more, they go."""
        row = stored.row
        events = [event_of(row, entry) for entry in waiting(row)]
        if self._topic is not None:
            await self._topic.publish(events)
        told = {event.id for event in events}

        def delivered(row: Row) -> Row:
            left = tuple(entry for entry in row.outbox if entry.id not in told)
            if left == row.outbox:
                return row  # another worker handed the same ones over
            return row.having(outbox=left).released(Action.PUBLISH)

        await self._rows.change(row.org_id, row.id, delivered)
        if self._topic is None:
            log.warning("events.discarded orgId=%s connectionId=%s count=%d", row.org_id, row.id, len(events))
        else:
            log.info("events.published orgId=%s connectionId=%s count=%d", row.org_id, row.id, len(events))
