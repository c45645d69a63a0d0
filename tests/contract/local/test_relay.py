"""The relay in front of Azurite, on which the official client meets faults that Azurite never makes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ServiceRequestError
from azure.data.tables.aio import TableClient

from local.host.queue_storage import QueueStorage
from local.relay import create_app
from tests.contract.tables import table_address

ROW = {"PartitionKey": "a", "RowKey": "b", "text": "c"}


@pytest.fixture
async def relay(azurite: str) -> AsyncIterator[TestServer]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        server = TestServer(create_app(table_address(azurite), session), host="127.0.0.1")
        async with server:
            yield server


@pytest.fixture
async def table(relay: TestServer, azurite: str) -> AsyncIterator[TableClient]:
    """A table behind the relay, by a client that sends nothing again."""
    address = azurite.replace(table_address(azurite), str(relay.make_url("")).rstrip("/"))
    async with TableClient.from_connection_string(address, f"relay{uuid.uuid4().hex}", retry_total=0) as client:
        await client.create_table()
        yield client


@pytest.fixture
async def queue(azurite: str) -> AsyncIterator[tuple[TestServer, QueueStorage]]:
    """A queue as the functions host uses it, behind a relay."""
    port = f":{urlsplit(dict(part.split('=', 1) for part in azurite.split(';') if part)['QueueEndpoint']).port}/"
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        server = TestServer(create_app(f"http://127.0.0.1{port}", session), host="127.0.0.1")
        async with server:
            opened = QueueStorage(azurite.replace(port, f":{server.port}/"), f"relay{uuid.uuid4().hex}", "base64")
            await opened.ensure()
            yield server, opened
            await opened.close()


async def control(relay: TestServer, **fault: object) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await session.post(relay.make_url("/_control/faults"), json={"match": "POST", **fault})
        assert answer.status == 201


async def test_what_is_relayed_is_answered_as_ever(table: TableClient) -> None:
    await table.create_entity(ROW)
    with pytest.raises(ResourceExistsError):
        await table.create_entity(ROW)
    await table.submit_transaction([("upsert", ROW | {"RowKey": "second"})])
    assert [entity["RowKey"] async for entity in table.list_entities()] == ["b", "second"]


async def test_a_call_whose_answer_is_lost_has_acted(relay: TestServer, table: TableClient) -> None:
    await control(relay, lose_answer=True)
    with pytest.raises(ServiceRequestError):
        await table.create_entity(ROW)
    assert (await table.get_entity("a", "b"))["text"] == "c"


async def test_a_call_that_is_refused_has_not_and_is_counted(relay: TestServer, table: TableClient) -> None:
    await control(relay, status=503)
    with pytest.raises(HttpResponseError):
        await table.create_entity(ROW)
    assert [entity async for entity in table.list_entities()] == []
    async with aiohttp.ClientSession() as session:
        counts = await (await session.get(relay.make_url("/_control/faults/counts"))).json()
    assert counts == {"requests": 3, "met": {"status 503": 1}}


@pytest.mark.parametrize("fault", [{"refuse": True}, {"status": 503}, {"lose_answer": True}])
async def test_what_an_invocation_puts_out_is_sent_again(
    queue: tuple[TestServer, QueueStorage], fault: dict[str, object]
) -> None:
    relay, opened = queue
    await control(relay, **fault)
    await opened.send("text")
    taken = await opened.take(2, 30)
    assert {opened.decode(message) for message in taken} == {b"text"}
    assert len(taken) == 1 + ("lose_answer" in fault)  # at least once
