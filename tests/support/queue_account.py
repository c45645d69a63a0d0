"""A storage account whose queues a test looks into."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueServiceClient

FAST: dict[str, Any] = {"maxPollingInterval": "00:00:00.100", "visibilityTimeout": "00:00:00"}


def host_json(**queues: Any) -> dict[str, Any]:
    """A host.json whose queues are polled often and retried at once, unless `queues` says otherwise."""
    return {"extensions": {"queues": FAST | queues}}


class Account:
    """The storage account as an onlooker sees it: raw message texts, nothing decoded."""

    def __init__(self, connection_string: str, service: QueueServiceClient) -> None:
        self.service = service
        self.queue = f"work-{uuid.uuid4().hex}"
        self.settings = {"AzureWebJobsStorage": connection_string, "QUEUE": self.queue}

    async def send(self, content: str) -> None:
        await self.service.get_queue_client(self.queue).send_message(content)

    async def peek(self, suffix: str = "") -> list[str]:
        messages = await self.service.get_queue_client(self.queue + suffix).peek_messages(32)
        return sorted(message.content for message in messages)

    async def count(self) -> int | None:
        """Messages, the hidden ones included."""
        return (await self.service.get_queue_client(self.queue).get_queue_properties()).approximate_message_count

    async def take(self) -> list[QueueMessage]:
        return [message async for message in self.service.get_queue_client(self.queue).receive_messages()]

    async def until_empty(self) -> None:
        deadline = time.monotonic() + 10
        while await self.count():
            assert time.monotonic() < deadline, "messages are left"
            await asyncio.sleep(0.02)  # polled: a queue has no event to wait for


def encoded(text: str) -> str:
    """The text as the platform stores it by default."""
    return base64.b64encode(text.encode()).decode()


@asynccontextmanager
async def opened(connection_string: str) -> AsyncIterator[Account]:
    """An account with a queue name that nobody else uses."""
    async with QueueServiceClient.from_connection_string(connection_string, api_version="2025-11-05") as service:
        yield Account(connection_string, service)
