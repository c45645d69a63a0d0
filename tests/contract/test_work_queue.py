"""What every `WorkQueue` promises, and what the real one puts on the queue."""

from __future__ import annotations

import base64
import re
from asyncio import timeout
from datetime import timedelta

import pytest
from azure.storage.queue.aio import QueueClient

from shared.adapters.work_queue import OPTIONS, AzureWorkQueue
from shared.domain.errors import UpstreamError
from shared.services.ports import Release, Work
from tests.contract.relay import Mishap, relaying
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Faults
from tests.fakes.queue import FakeWorkQueue
from tests.support.queue_account import opened

SECOND = timedelta(seconds=1)


def release(number: int, clock: FakeClock, seconds: float = 0) -> Release:
    """Work that may be taken after so many seconds."""
    return Release(Work("an-org", f"connection-{number}"), clock() + seconds * SECOND)


async def test_work_can_be_taken_at_its_time_and_not_before() -> None:
    clock = FakeClock()
    queue = FakeWorkQueue(clock, Faults())
    await queue.send([release(1, clock), release(2, clock, 3)])
    assert queue.take() == [Work("an-org", "connection-1")]
    assert queue.readable_from(clock()) == clock() + 3 * SECOND
    clock.advance(3 * SECOND)
    assert queue.take() == [Work("an-org", "connection-2")]


async def test_a_message_is_the_ids_in_base64_hidden_for_whole_seconds(azurite: str) -> None:
    clock = FakeClock()
    async with opened(azurite) as account:
        await account.service.create_queue(account.queue)
        async with QueueClient.from_connection_string(azurite, account.queue, **OPTIONS) as client:
            queue = AzureWorkQueue(client, clock)
            await queue.send([release(number, clock, seconds) for number, seconds in enumerate((-5, 0, 1.2))])
            seen = [base64.b64decode(text) for text in await account.peek()]
            assert seen == [
                b'{"orgId":"an-org","connectionId":"connection-0"}',
                b'{"orgId":"an-org","connectionId":"connection-1"}',
            ]
            assert await account.count() == 3


async def test_many_are_sent_and_each_once(azurite: str) -> None:
    clock = FakeClock()
    async with opened(azurite) as account:
        await account.service.create_queue(account.queue)
        async with QueueClient.from_connection_string(azurite, account.queue, **OPTIONS) as client:
            await AzureWorkQueue(client, clock).send([release(number, clock) for number in range(70)])
            await AzureWorkQueue(client, clock).send([])
        assert await account.count() == 70


async def test_a_message_that_is_refused_once_is_sent_again_within_the_tick(azurite: str) -> None:
    clock = FakeClock()
    address = re.search(r"QueueEndpoint=(http://[^/;]+)", azurite)
    assert address is not None
    async with opened(azurite) as account, relaying(address[1]) as relay:
        await account.service.create_queue(account.queue)
        relay.mishaps.append(Mishap("POST", status=503))
        relayed = azurite.replace(address[1], relay.url)
        async with QueueClient.from_connection_string(relayed, account.queue, **OPTIONS) as client, timeout(5):
            await AzureWorkQueue(client, clock).send([release(1, clock)])
        assert len(relay.requests) == 2


async def test_a_queue_that_is_not_there_is_an_upstream_error(azurite: str) -> None:
    clock = FakeClock()
    async with QueueClient.from_connection_string(azurite, "no-such-queue", **OPTIONS) as client:
        with pytest.raises(UpstreamError):
            await AzureWorkQueue(client, clock).send([release(1, clock)])
