"""What the product really writes, for the floor to write as much."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from azure.data.tables.aio import TableClient

from bench.floor import Properties, Written
from bench.world import World, wish
from local.client import Client
from local.entra import seed

KEYS = frozenset({"PartitionKey", "RowKey"})


async def creation(world: World, client: Client) -> Written:
    """The entities of a connection that this makes."""
    (code,) = await world.codes(client, 1)
    with _noted("submit_transaction") as sent:
        await world.prepared("connections_create", client, body=wish("example", code))()
    await world.app.background.idle()
    inserted, replaced = ([_properties(operation[1]) for operation in operations] for operations in sent)
    return Written(inserted, replaced)


async def link(world: World, client: Client) -> Properties:
    """The entity of a connect link that this makes."""
    body = {"name": "example-of-a-link", "method": "oauth", "credentials": {"tenantId": seed.CONTOSO_TENANT_ID}}
    with _noted("upsert_entity") as sent:
        await world.prepared("oauth_authorize", client, body=body)()
    (entity,) = sent
    return _properties(entity)


@contextmanager
def _noted(method: str) -> Iterator[list[Any]]:
    """What that method of the table client is called with in this process meanwhile."""
    sent: list[Any] = []
    original = getattr(TableClient, method)

    async def noting(self: TableClient, what: Any, **options: Any) -> Any:
        sent.append(what)
        return await original(self, what, **options)

    with patch.object(TableClient, method, noting):
        yield sent


def _properties(entity: dict[str, Any]) -> Properties:
    """As JSON has them, since some go to another process."""
    kept = {name: value for name, value in entity.items() if name not in KEYS}
    properties: dict[str, Any] = json.loads(json.dumps(kept, default=str))
    return properties
