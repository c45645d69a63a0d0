"""What is at rest in the storage account, read behind the product's back."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.host.queue_storage import API_VERSION, POISON_SUFFIX
from shared.adapters.tables import properties
from shared.adapters.tables.keys import CONNECTIONS, DUE
from shared.domain.connection import Row

PEEKED = 32
"""The most messages that one look shows."""
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class DueRow:
    """A hint of table `due`."""

    connection_id: str
    nonce: str
    at: datetime
    written_at: datetime


@dataclass(frozen=True, slots=True)
class NameRow:
    """Who has a name, or the place of a name in a list."""

    key: str
    connection_id: str


class Storage:
    """The tables and queues behind one connection string."""

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string
        self.messages: dict[str, set[str]] = {}
        """By queue, what was seen of its messages so far: as stored and, where that is base64, as meant."""

    async def rows(self) -> list[Row]:
        """The truth about every connection."""
        found = self._entities(CONNECTIONS, "RowKey ge 'c!' and RowKey lt 'c\"'")
        return [Row.model_validate_json(properties.joined("row", entity)) async for entity in found]

    async def names(self) -> list[NameRow]:
        """Every taken name, in both of its rows."""
        keys = self._entities(
            CONNECTIONS, "(RowKey ge 'n!' and RowKey lt 'n\"') or (RowKey ge 'p!' and RowKey lt 'p\"')"
        )
        return [NameRow(entity["RowKey"], entity["connectionId"]) async for entity in keys]

    async def due(self) -> list[DueRow]:
        """Every hint."""
        return [
            DueRow(entity["connectionId"], entity["nonce"], entity["dueAt"], entity["writtenAt"])
            async for entity in self._entities(DUE)
        ]

    async def tables(self) -> dict[str, list[str]]:
        """Every row of every table as text: keys, names and values."""
        texts: dict[str, list[str]] = {}
        async with self._service() as service:
            async for table in service.list_tables():
                async with service.get_table_client(table.name) as client:
                    texts[table.name] = [str(dict(entity)) async for entity in client.list_entities()]
        return texts

    async def watch_queues(self) -> None:
        """Look at the messages of each queue now and then, until cancelled: at rest there are none."""
        service = QueueServiceClient.from_connection_string(self._connection_string, api_version=API_VERSION)
        async with service:
            while True:
                async for queue in service.list_queues():
                    peeked = await service.get_queue_client(queue.name).peek_messages(PEEKED)
                    stored = [str(message.content) for message in peeked]
                    self.messages.setdefault(queue.name, set()).update(f"{text} {_decoded(text)}" for text in stored)
                await asyncio.sleep(LOOK_SECONDS)

    async def waiting(self) -> dict[str, int]:
        """How many messages are in each queue, those in work included."""
        service = QueueServiceClient.from_connection_string(self._connection_string, api_version=API_VERSION)
        async with service:
            return {
                queue.name: (
                    await service.get_queue_client(queue.name).get_queue_properties()
                ).approximate_message_count
                or 0
                async for queue in service.list_queues()
            }

    def _service(self) -> TableServiceClient:
        return TableServiceClient.from_connection_string(self._connection_string)

    async def _entities(self, table: str, query: str = "") -> AsyncIterator[dict[str, Any]]:
        async with self._service() as service:
            client = service.get_table_client(table)
            found = client.query_entities(query) if query else client.list_entities()
            async for entity in found:
                yield entity


def poisoned(queues: dict[str, int]) -> int:
    """How many messages were given up."""
    return sum(number for name, number in queues.items() if name.endswith(POISON_SUFFIX))


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""
