"""Azure Event Grid through the official async client, as CloudEvents. Imported only where a topic is configured."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from azure.core.messaging import CloudEvent
from azure.eventgrid.aio import EventGridPublisherClient

from shared.adapters import transport
from shared.adapters.azure_errors import translated
from shared.adapters.throttling import watched
from shared.domain.errors import UpstreamError, UpstreamUnavailable
from shared.domain.events import SOURCE, Event
from shared.services.ports import EventTopic, Telemetry

SERVICE = "Event Grid"

OPTIONS: dict[str, Any] = {
    "connection_timeout": 3,
    "read_timeout": 5,
    "retry_total": 0,  # what was not taken stays in its row, which is the better place to wait
    "logging_enable": False,
    **transport.OPTIONS,
}

PAUSE_SECONDS = 30.0
"""After a failure this process asks no more for so long: a thousand rows do not each wait for a topic in trouble."""


class AzureEventTopic(EventTopic):
    """`EventTopic` on an Event Grid topic."""

    def __init__(
        self,
        endpoint: str,
        identity: Any,
        *,
        telemetry: Telemetry | None = None,
        pause: float = PAUSE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self._client = EventGridPublisherClient(endpoint, identity, **OPTIONS, **watched("event-grid", telemetry))
        # A token over plain http is for the stand-in on loopback; settings refuse any other such address.
        self._sending: dict[str, Any] = {}
        if not endpoint.startswith("https://"):
            self._sending = {"enforce_https": False}
            logging.getLogger("azure.eventgrid").setLevel(logging.ERROR)  # it wonders about that option at each event
        self._pause = pause
        self._now = now
        self._not_before = now()

    async def publish(self, events: Sequence[Event]) -> None:
        """See `EventTopic`."""
        if (wait := self._not_before - self._now()) > 0:
            raise UpstreamUnavailable(SERVICE, retry_after=wait)
        try:
            with translated(SERVICE):
                await self._client.send([_cloud_event(event) for event in events], **self._sending)
        except UpstreamError:
            self._not_before = self._now() + self._pause
            raise

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()


def _cloud_event(event: Event) -> CloudEvent[Any]:
    extensions = {"sequence": event.sequence} if event.sequence else None
    return CloudEvent(
        SOURCE,
        event.type.value,
        id=event.id,
        time=event.time,
        subject=event.subject,
        data=event.data,
        extensions=extensions,
    )
