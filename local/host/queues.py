"""Queue triggers: polling, hiding, retrying and poison queues, as the Functions queue extension does it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError
from azure.functions.queue import QueueMessage

from local.host.metadata import Function, QueueTrigger
from local.host.pause import pause
from local.host.queue_storage import POISON_SUFFIX, Queues, Undecodable
from local.host.runtime import InvocationFailed, Invoker
from local.host.settings import QueueSettings

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage as StoredMessage

HIDDEN_SECONDS = 600
"""How long the platform hides a message that it took (hard-coded there), renewed at half of it."""

MIN_POLLING_SECONDS = 0.1

_log = logging.getLogger(__name__)


class QueueListener:
    """Runs one function for each message of one queue, at least once and in no order.

    A process that is killed leaves its messages hidden for up to `hidden_seconds`. A queue whose name ends in
    `-poison` has no poison queue of its own: there a failed message stays hidden for the rest of that time.
    """

    def __init__(
        self,
        function: Function,
        trigger: QueueTrigger,
        *,
        queues: Queues,
        invoker: Invoker,
        settings: QueueSettings,
        hidden_seconds: int,
    ) -> None:
        self._function = function
        self._queue = queues.open(trigger.connection, trigger.queue)
        self._poison = None
        if not trigger.queue.endswith(POISON_SUFFIX):
            self._poison = queues.open(trigger.connection, trigger.queue + POISON_SUFFIX)
        self._invoker = invoker
        self._settings = settings
        self._hidden_seconds = hidden_seconds

    async def run(self, stopping: asyncio.Event) -> None:
        """Poll until `stopping` is set, then wait for the messages in work. Cancelling it abandons them."""
        max_delay = max(self._settings.max_polling_interval.total_seconds(), MIN_POLLING_SECONDS)
        delay = MIN_POLLING_SECONDS
        async with asyncio.TaskGroup() as group:
            working: set[asyncio.Task[None]] = set()
            while not stopping.is_set():
                if len(working) > self._settings.fetch_below:
                    await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
                elif messages := await self._take():
                    delay = MIN_POLLING_SECONDS
                    for message in messages:
                        task = group.create_task(self._work_on(message))
                        working.add(task)
                        task.add_done_callback(working.discard)
                else:
                    await pause(stopping, delay)
                    delay = min(delay * 2, max_delay)

    async def _take(self) -> list[StoredMessage]:
        try:
            return await self._queue.take(self._settings.batch_size, self._hidden_seconds)
        except AzureError as error:
            _log.warning("Queue %s could not be polled: %s", self._queue.name, type(error).__name__)
            return []

    async def _work_on(self, message: StoredMessage) -> None:
        try:
            await self._process(message)
        except AzureError as error:
            # The message becomes visible by itself when its time is over: delivered again, never lost.
            _log.warning("Queue %s could not be updated: %s", self._queue.name, type(error).__name__)

    async def _process(self, message: StoredMessage) -> None:
        attempt = message.dequeue_count or 1
        try:
            body = self._queue.decode(message)
        except Undecodable as error:
            _log.error("Function %s was not run: %s", self._function.name, error)
            await self._fail(message, for_good=True)
            return
        if attempt > self._settings.max_dequeue_count and self._poison is not None:
            await self._fail(message, for_good=True)
        elif await self._run_hidden(message, body):
            await self._queue.delete(message)
        else:
            await self._fail(message, for_good=attempt >= self._settings.max_dequeue_count)

    async def _fail(self, message: StoredMessage, *, for_good: bool) -> None:
        if self._poison is None:
            return
        if not for_good:
            await self._queue.hide(message, int(self._settings.visibility_timeout.total_seconds()))
            return
        _log.warning("Function %s: a message moves to queue %s", self._function.name, self._poison.name)
        await self._poison.send_raw(str(message.content))
        await self._queue.delete(message)

    async def _run_hidden(self, message: StoredMessage, body: bytes) -> bool:
        """Whether the function succeeded; the message stays hidden while it runs."""
        done = asyncio.Event()
        renewing = asyncio.create_task(self._keep_hidden(message, done))
        try:
            await self._invoker.invoke(self._function, _trigger(message, body))
        except InvocationFailed:
            return False
        else:
            return True
        finally:
            # Not cancelled: a renewal under way changes the pop receipt that deleting needs.
            done.set()
            await renewing

    async def _keep_hidden(self, message: StoredMessage, done: asyncio.Event) -> None:
        while not await pause(done, self._hidden_seconds / 2):
            try:
                await self._queue.hide(message, self._hidden_seconds)
            except AzureError as error:
                _log.warning("Queue %s: a message could not be kept hidden: %s", self._queue.name, type(error).__name__)


def _trigger(message: StoredMessage, body: bytes) -> QueueMessage:
    return QueueMessage(
        id=message.id,
        body=body,
        dequeue_count=message.dequeue_count,
        insertion_time=message.inserted_on,
        expiration_time=message.expires_on,
        time_next_visible=message.next_visible_on,
        pop_receipt=message.pop_receipt,
    )
