"""Where other programs learn what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.events import Event


class EventTopic(Protocol):
    """A topic that others subscribe to."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Hand over `events`, in order; all or, as far as can be told, none. Handed over twice they keep their ids.

        Raises `UpstreamError` within seconds where the topic does not take them.
        """
