"""What is at rest in the storage account: every table row, every queue message."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.host.queue_storage import API_VERSION
from shared.adapters.tables.keys import CONNECTIONS, DUE, FLOWS, ROTATIONS, connection
from shared.adapters.tables.properties import joined
from shared.domain.connection import Row

PEEKED = 32
"""The most messages that one look shows."""


async def every_row(connection_string: str) -> str:
    """All tables as text: keys, names and values."""
    rows: list[str] = []
    async with TableServiceClient.from_connection_string(connection_string) as service:
        async for table in service.list_tables():
            async with service.get_table_client(table.name) as client:
                rows += [f"{table.name} {dict(entity)}" async for entity in client.list_entities()]
    return "\n".join(rows)


async def messages(connection_string: str, queue: str) -> list[str]:
    """The messages of a queue that wait to be read, exactly as they are stored."""
    async with QueueClient.from_connection_string(connection_string, queue, api_version=API_VERSION) as client:
        return [str(message.content) for message in await client.peek_messages(PEEKED)]


async def every_message(connection_string: str) -> list[str]:
    """The waiting messages of all queues."""
    async with QueueServiceClient.from_connection_string(connection_string, api_version=API_VERSION) as service:
        queues = [queue.name async for queue in service.list_queues()]
    return [message for queue in queues for message in await messages(connection_string, queue)]


async def connection_row(connection_string: str, org_id: str, connection_id: str) -> dict[str, Any]:
    """The one truth about a connection."""
    async with TableServiceClient.from_connection_string(connection_string) as service:
        table = service.get_table_client(CONNECTIONS)
        entity = await table.get_entity(org_id, connection(connection_id))
        found: dict[str, Any] = json.loads(joined("row", entity))
        return found


async def rows(connection_string: str) -> list[Row]:
    """The truth about every connection."""
    async with TableServiceClient.from_connection_string(connection_string) as service:
        table = service.get_table_client(CONNECTIONS)
        return [
            Row.model_validate_json(joined("row", entity)) async for entity in table.list_entities() if "row" in entity
        ]


async def due_nonces(connection_string: str) -> set[str]:
    """What names each due row."""
    async with TableServiceClient.from_connection_string(connection_string) as service:
        return {entity["nonce"] async for entity in service.get_table_client(DUE).list_entities()}


async def rotation_records(connection_string: str, org_id: str, connection_id: str) -> list[str]:
    """The history of a connection's rotations, newest first."""
    async with TableServiceClient.from_connection_string(connection_string) as service:
        table = service.get_table_client(ROTATIONS)
        found = table.query_entities("PartitionKey eq @key", parameters={"key": f"{org_id}!{connection_id}"})
        return [entity["record"] async for entity in found]


async def garble_link(connection_string: str, flow_id: str) -> None:
    """Let the row of a connect link be one that no version of the service wrote."""
    garbled = {"PartitionKey": flow_id, "RowKey": "link", "link": "{"}
    async with TableServiceClient.from_connection_string(connection_string) as service:
        await service.get_table_client(FLOWS).update_entity(garbled, mode=UpdateMode.MERGE)


async def end_flow(connection_string: str, partition: str, row: str) -> None:
    """Let the lifetime of a connect link or an attempt be over."""
    over = {"PartitionKey": partition, "RowKey": row, "expiresAt": datetime.now(UTC) - timedelta(seconds=1)}
    async with TableServiceClient.from_connection_string(connection_string) as service:
        await service.get_table_client(FLOWS).update_entity(over, mode=UpdateMode.MERGE)
