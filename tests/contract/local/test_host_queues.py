"""The local host works on queues as the platform does, tried against Azurite."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import azure.functions as func
import pytest

from local.host import Host
from tests.support.functions_host import new_app, running, until
from tests.support.queue_account import Account, encoded, host_json, opened


@pytest.fixture
async def account(azurite: str) -> AsyncIterator[Account]:
    async with opened(azurite) as found:
        yield found


def queue_app(work: Any) -> func.FunctionApp:
    app = new_app()

    @app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
    async def worker(message: func.QueueMessage) -> None:
        await work(message)

    return app


async def test_a_message_is_decoded_worked_on_and_deleted(account: Account) -> None:
    seen = list[func.QueueMessage]()

    async def work(message: func.QueueMessage) -> None:
        seen.append(message)

    async with running(queue_app(work), host_json(), environ=account.settings):
        await account.send(encoded('{"id": "é"}'))
        await until(lambda: seen)
        await account.until_empty()
    [message] = seen
    assert message.get_json() == {"id": "é"}
    assert message.dequeue_count == 1
    assert message.id
    assert message.insertion_time is not None


async def test_the_hosts_own_polling_is_not_in_the_apps_log(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    async def work(message: func.QueueMessage) -> None: ...

    caplog.set_level(logging.INFO)
    async with running(queue_app(work), host_json(), environ=account.settings):
        await asyncio.sleep(0.3)
    assert not [record for record in caplog.records if record.name.startswith("azure")]


async def test_a_message_that_fails_too_often_moves_to_the_poison_queue_as_it_was(account: Account) -> None:
    attempts = list[int | None]()

    async def work(message: func.QueueMessage) -> None:
        attempts.append(message.dequeue_count)
        raise RuntimeError

    async with running(queue_app(work), host_json(maxDequeueCount=3), environ=account.settings):
        await account.send(encoded("bad"))
        await account.until_empty()
    assert attempts == [1, 2, 3]
    assert await account.peek("-poison") == [encoded("bad")]


async def test_after_a_failure_the_message_waits_for_the_visibility_timeout(account: Account) -> None:
    failed = asyncio.Event()

    async def work(message: func.QueueMessage) -> None:
        failed.set()
        raise RuntimeError

    async with running(queue_app(work), host_json(visibilityTimeout="00:01:00"), environ=account.settings):
        await account.send(encoded("later"))
        await failed.wait()
        await asyncio.sleep(0.3)
    assert await account.take() == []
    assert await account.count() == 1


async def test_a_message_in_another_encoding_goes_to_the_poison_queue_without_a_run(account: Account) -> None:
    runs = 0

    async def work(message: func.QueueMessage) -> None:
        nonlocal runs
        runs += 1

    async with running(queue_app(work), host_json(), environ=account.settings):
        await account.send("{no base64}")
        await account.until_empty()
    assert runs == 0
    assert await account.peek("-poison") == ["{no base64}"]


async def test_a_poison_queue_can_be_worked_on_and_has_no_poison_queue_of_its_own(account: Account) -> None:
    account.queue += "-poison"
    account.settings["QUEUE"] = account.queue
    failed = asyncio.Event()

    async def work(message: func.QueueMessage) -> None:
        failed.set()
        raise RuntimeError

    async with running(queue_app(work), host_json(maxDequeueCount=1), environ=account.settings):
        await account.send(encoded("lost"))
        await failed.wait()
        await asyncio.sleep(0.2)
        assert await account.count() == 1
        names = [queue.name async for queue in account.service.list_queues(name_starts_with=account.queue)]
    assert names == [account.queue]


async def test_a_long_run_keeps_its_message_hidden_and_a_killed_one_stalls_it_that_long(account: Account) -> None:
    runs = list[int | None]()

    async def work(message: func.QueueMessage) -> None:
        runs.append(message.dequeue_count)
        await asyncio.sleep(60)

    options: dict[str, Any] = {"hidden_seconds": 1, "environ": account.settings, "grace_seconds": 0}
    async with running(queue_app(work), host_json(), **options):
        await account.send(encoded("long"))
        await until(lambda: runs)
        await asyncio.sleep(1.8)
        assert runs == [1]
    # The stop cancelled it without giving the message back, as a kill does.
    async with running(queue_app(work), host_json(), **options):
        await until(lambda: len(runs) == 2, seconds=5)
    assert runs == [1, 2]


async def test_a_batch_is_worked_on_side_by_side(account: Account) -> None:
    meeting = asyncio.Barrier(4)

    async def work(message: func.QueueMessage) -> None:
        await meeting.wait()

    async with running(queue_app(work), host_json(batchSize=4), environ=account.settings):
        for number in range(4):
            await account.send(encoded(str(number)))
        await account.until_empty()


async def test_an_admin_can_run_a_queue_function_with_a_text(account: Account) -> None:
    seen = list[bytes]()

    async def work(message: func.QueueMessage) -> None:
        seen.append(message.get_body())

    async with (
        running(queue_app(work), host_json(), environ=account.settings) as host,
        aiohttp.ClientSession(host.url) as client,
    ):
        async with client.post("/admin/functions/worker", json={"input": '{"id": 1}'}) as answer:
            assert answer.status == 202
        await until(lambda: seen)
    assert seen == [b'{"id": 1}']


async def test_polling_goes_on_after_the_queue_was_deleted_and_made_again(account: Account) -> None:
    seen = asyncio.Event()

    async def work(message: func.QueueMessage) -> None:
        seen.set()

    async with running(queue_app(work), host_json(), environ=account.settings):
        client = account.service.get_queue_client(account.queue)
        await client.delete_queue()
        await asyncio.sleep(0.3)
        await client.create_queue()
        await account.send(encoded("again"))
        async with asyncio.timeout(5):
            await seen.wait()


def test_a_connection_that_no_setting_holds_is_refused_by_name() -> None:
    async def work(message: func.QueueMessage) -> None: ...

    with pytest.raises(ValueError, match="no app setting 'AzureWebJobsStorage'"):
        Host(queue_app(work), environ={"QUEUE": "work"})
