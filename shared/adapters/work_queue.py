"""Queue `work` through the official client, which can hide a message until its time; the output binding cannot.

Its import takes long, so this module is imported when the first tick sends something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import ceil
from typing import Any

from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from shared.adapters.azure_errors import translated
from shared.adapters.throttling import STORAGE_BUSY, watched
from shared.services.ports import Clock, Release, Telemetry
from shared.services.ports.queue import WORK_QUEUE

SERVICE = "Queue Storage"

AT_ONCE = 32
"""Messages on their way at a time: there is no request that puts several on a queue."""

OPTIONS: dict[str, Any] = {
    "api_version": "2025-11-05",  # the newest that the emulator knows, too
    "message_encode_policy": TextBase64EncodePolicy(),  # as host.json states
    "connection_timeout": 5,
    "read_timeout": 10,
    "retry_total": 3,
    "initial_backoff": 0,  # the client's own waits begin at 18 seconds, and a tick comes every ten
    "increment_base": 2,
    "random_jitter_range": 1,
    "retry_to_secondary": False,
    "logging_enable": False,
}


class AzureWorkQueue:
    """`WorkQueue` on Azure Queue Storage."""

    def __init__(self, client: QueueClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def send(self, releases: Sequence[Release]) -> None:
        """See `WorkQueue`."""
        waiting = iter(releases)

        async def send_some() -> None:
            for release in waiting:
                await self._send(release)

        senders = [send_some() for _ in range(min(AT_ONCE, len(releases)))]
        failures = [found for found in await asyncio.gather(*senders, return_exceptions=True) if found is not None]
        if failures:
            raise failures[0]

    async def _send(self, release: Release) -> None:
        hidden = max(0, ceil((release.at - self._clock()).total_seconds()))
        with translated(SERVICE):
            await self._client.send_message(release.work.message, visibility_timeout=hidden)


def from_connection_string(connection_string: str, clock: Clock, telemetry: Telemetry | None = None) -> AzureWorkQueue:
    """For the storage emulator."""
    options = OPTIONS | watched("storage", telemetry, STORAGE_BUSY)
    return AzureWorkQueue(QueueClient.from_connection_string(connection_string, WORK_QUEUE, **options), clock)


def from_account(endpoint: str, credential: Any, clock: Clock, telemetry: Telemetry | None = None) -> AzureWorkQueue:
    """For Azure, by the function app's identity."""
    options = OPTIONS | watched("storage", telemetry, STORAGE_BUSY)
    return AzureWorkQueue(QueueClient(endpoint, WORK_QUEUE, credential=credential, **options), clock)
