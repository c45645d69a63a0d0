"""The floor: the upstream calls that an operation cannot do without, by the same warm clients, and nothing else.

The clients are made as the product's are; no adapter of the product is used, and nothing is checked or recorded. Rows
share partitions as the product's do, since the emulator goes through a partition row by row.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple
from uuid import uuid4

import msal
import requests
from azure.core.exceptions import ResourceExistsError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.secrets.aio import SecretClient
from azure.storage.queue.aio import QueueClient
from requests.adapters import HTTPAdapter

from local.entra import seed
from shared.adapters import vault, work_queue
from shared.adapters.tables import client
from shared.adapters.transport import CountedTransport

SCOPES = ["https://vault.azure.net/user_impersonation"]
EXCHANGE_SCOPE = "api://AzureADTokenExchange/.default"
THREADS = 16
TABLE = "floor"
"""And the queue's name."""
PAGE = 101
"""Rows that a list of 100 reads: one more tells whether there is a next page."""


Properties = Mapping[str, Any]
"""Of an entity, without its keys."""


class Written(NamedTuple):
    """What the two transactions of a creation write: the row first, then the rows of its name."""

    inserted: Sequence[Properties]
    replaced: Sequence[Properties]


class Floor:
    """Bare calls to Entra, Key Vault, Table Storage and Queue Storage."""

    def __init__(
        self,
        app: msal.ConfidentialClientApplication,
        vault: SecretClient,
        tables: TableServiceClient,
        queue: QueueClient,
        redirect: str,
    ) -> None:
        self._app = app
        self._vault = vault
        self._tables = tables
        self._queue = queue
        self._table = tables.get_table_client(TABLE)
        self._redirect = redirect
        self._threads = ThreadPoolExecutor(THREADS)  # MSAL blocks

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Mapping[str, str]) -> AsyncIterator[Floor]:
        """Clients for the stack of these app settings, and a table to write to."""
        ca = settings["LOOPBACK_CA_FILE"]
        trust: dict[str, Any] = {"connection_verify": ca, "verify_challenge_resource": False, **vault.OPTIONS}
        identity = ManagedIdentityCredential(client_id=settings["AZURE_CLIENT_ID"])
        async with (
            identity,
            SecretClient(settings["VAULT_URL"], identity, transport=CountedTransport(**trust), **trust) as secrets,
            client.from_connection_string(settings["AzureWebJobsStorage"]) as tables,
            QueueClient.from_connection_string(settings["AzureWebJobsStorage"], TABLE, **work_queue.OPTIONS) as queue,
        ):
            await tables.create_table_if_not_exists(TABLE)
            with suppress(ResourceExistsError):
                await queue.create_queue()
            with requests.Session() as session:
                session.verify = ca
                session.trust_env = False
                session.mount("https://", HTTPAdapter(pool_maxsize=THREADS))
                assertion = (await identity.get_token(EXCHANGE_SCOPE)).token
                app = msal.ConfidentialClientApplication(
                    settings["OAUTH_CLIENT_ID"],
                    client_credential={"client_assertion": assertion},
                    authority=f"{settings['AUTHORITY_HOST']}/{seed.CONTOSO_TENANT_ID}",
                    instance_discovery=False,
                    http_client=session,
                )
                yield cls(app, secrets, tables, queue, settings["PUBLIC_URL"] + seed.CALLBACK_PATH)

    async def create(self, organisation: str, code: str, written: Written) -> None:
        """1 token call, 1 vault set, 2 table writes; a write is of the row and its names, which takes a transaction."""
        name = str(uuid4())
        await self.insert_all(organisation, name, written.inserted)
        await self.set_secret(name, await self.redeem(code))
        await self.replace_all(organisation, name, written.replaced)

    async def create_leanest(self, organisation: str, code: str, written: Written) -> None:
        """The same with two writes of a single row, without which no name would be unique."""
        name = str(uuid4())
        await self.insert(organisation, name, written.inserted[0])
        await self.set_secret(name, await self.redeem(code))
        await self.replace(organisation, name, written.replaced[0])

    async def redeem(self, code: str) -> str:
        """A code for a refresh token."""
        return await self._token(
            lambda: self._app.acquire_token_by_authorization_code(code, SCOPES, redirect_uri=self._redirect)
        )

    async def refresh(self, token: str) -> str:
        """A refresh token for a new one."""
        return await self._token(lambda: self._app.acquire_token_by_refresh_token(token, SCOPES))

    async def _token(self, ask: Any) -> str:
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return str(answer["refresh_token"])

    async def set_secret(self, name: str, value: str) -> None:
        """A new secret version."""
        await self._vault.set_secret(name, value, content_type="application/json")

    async def get_secret(self, name: str) -> str:
        """The value of a secret."""
        return (await self.get_version(name))[0]

    async def get_version(self, name: str) -> tuple[str, str]:
        """The value of a secret, and its version."""
        secret = await self._vault.get_secret(name)
        return secret.value or "", str(secret.properties.version)

    async def disable_secret(self, name: str, version: str) -> None:
        """Make a version unreadable."""
        await self._vault.update_secret_properties(name, version, enabled=False)

    async def insert(self, partition: str, key: str, properties: Properties) -> None:
        """One table write of a new row."""
        await self._table.create_entity(_entity(partition, key, properties))

    async def replace(self, partition: str, key: str, properties: Properties) -> None:
        """One table write of a row that is there."""
        await self._table.update_entity(_entity(partition, key, properties), mode=UpdateMode.REPLACE)

    async def put(self, partition: str, key: str, properties: Properties) -> None:
        """One table write of a row, whether or not it is there."""
        await self._table.upsert_entity(_entity(partition, key, properties), mode=UpdateMode.REPLACE)

    async def insert_all(self, partition: str, key: str, several: Sequence[Properties]) -> None:
        """One table write of new rows, in one transaction."""
        await self._table.submit_transaction(
            [("create", _entity(partition, key, each, number)) for number, each in enumerate(several)], **client.RESENT
        )

    async def replace_all(self, partition: str, key: str, several: Sequence[Properties]) -> None:
        """The same of rows that are there."""
        replaced = {"mode": UpdateMode.REPLACE}
        await self._table.submit_transaction(
            [("update", _entity(partition, key, each, number), replaced) for number, each in enumerate(several)],
            **client.RESENT,
        )

    async def read(self, partition: str, key: str) -> None:
        """One point read."""
        await self._table.get_entity(partition, key)

    async def remove(self, partition: str, key: str) -> None:
        """One table delete."""
        await self._table.delete_entity(partition, key)

    async def send(self, message: str) -> None:
        """One message on a queue."""
        await self._queue.send_message(message)

    async def page(self, table: TableClient, organisation: str) -> int:
        """One page of a list: the rows that a list of 100 must read; how many came."""
        entities = table.query_entities(
            "PartitionKey eq @org and RowKey ge 'n!' and RowKey lt 'n\"' and listed eq true",
            parameters={"org": organisation},
            select=["RowKey", "copy", "restricted"],
            results_per_page=PAGE,
        )
        pages = entities.by_page()
        return len([entity async for entity in await anext(pages)])

    def table(self, name: str) -> TableClient:
        """Another table, by the same warm client."""
        return self._tables.get_table_client(name)


def _entity(partition: str, key: str, properties: Properties, number: int = 0) -> dict[str, Any]:
    """The first of those that are written together has the plain key."""
    return {**properties, "PartitionKey": partition, "RowKey": f"{key}!{number}" if number else key}
