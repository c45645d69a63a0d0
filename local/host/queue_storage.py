"""Access to the queues of the bindings, in the encoding that host.json states."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

from local.host.settings import connection_string

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage as StoredMessage
    from azure.storage.queue.aio import QueueClient

API_VERSION = "2025-11-05"
"""The newest that the pinned Azurite knows; the SDK's own default is newer."""

POISON_SUFFIX = "-poison"

RETRIES = 3
"""Of what nobody does again, an invocation's output above all, as the functions host's own client does."""
BACK_OFF: dict[str, Any] = {"initial_backoff": 0, "increment_base": 1, "random_jitter_range": 0}

_requests = logging.getLogger(f"{__name__}.requests")
_requests.setLevel(logging.WARNING)


class Undecodable(ValueError):
    """A message is not in the encoding that host.json states."""


class QueueStorage:
    """One queue of a storage account. The SDK is imported when the first is made, as it is heavy."""

    def __init__(self, connection_string: str, name: str, encoding: Literal["base64", "none"]) -> None:
        from azure.storage.queue.aio import QueueClient  # noqa: PLC0415 - an app without queues must not pay for it

        self.name = name
        self._encoding = encoding
        self._client: QueueClient = QueueClient.from_connection_string(
            connection_string,
            name,
            api_version=API_VERSION,
            # A proxy of the environment is no way to an emulator on loopback.
            use_env_settings=False,
            # The log levels that an app sets are for its own clients; this one polls all the time.
            logger=_requests,
            # Polling tries again anyway, and a retry policy's sleep would hold up a stop.
            retry_total=0,
            **BACK_OFF,
        )

    async def ensure(self) -> None:
        """Create the queue unless it is there."""
        try:
            await self._client.create_queue(retry_total=RETRIES)
        except ResourceExistsError:
            return

    async def send(self, text: str) -> None:
        """Put a message with this text, visible at once."""
        await self.send_raw(base64.b64encode(text.encode()).decode() if self._encoding == "base64" else text)

    async def send_raw(self, content: str) -> None:
        """Put a message as it is, already encoded; makes the queue when it is missing."""
        try:
            await self._client.send_message(content, retry_total=RETRIES)
        except ResourceNotFoundError:
            await self.ensure()
            await self._client.send_message(content, retry_total=RETRIES)

    async def take(self, count: int, hidden_seconds: int) -> list[StoredMessage]:
        """Up to `count` messages, hidden from others for `hidden_seconds`; none when the queue is missing."""
        pages = self._client.receive_messages(
            messages_per_page=count, max_messages=count, visibility_timeout=hidden_seconds
        ).by_page()
        try:
            return [message async for message in await anext(pages)]
        except (ResourceNotFoundError, StopAsyncIteration):
            return []

    async def hide(self, message: StoredMessage, seconds: int) -> None:
        """Hide a taken message for `seconds` from now; 0 gives it back at once."""
        updated = await self._client.update_message(message.id, message.pop_receipt, visibility_timeout=seconds)
        message.pop_receipt = updated.pop_receipt
        message.next_visible_on = updated.next_visible_on

    async def delete(self, message: StoredMessage) -> None:
        """Delete a taken message."""
        await self._client.delete_message(message.id, message.pop_receipt)

    def decode(self, message: StoredMessage) -> bytes:
        """The body of a message; raises Undecodable."""
        content = str(message.content)
        if self._encoding == "none":
            return content.encode()
        try:
            return base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise Undecodable(f"a message in {self.name!r} is not base64") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class Queues:
    """The queues of an app's bindings, each opened once."""

    def __init__(self, environ: Mapping[str, str], encoding: Literal["base64", "none"]) -> None:
        self._environ = environ
        self._encoding = encoding
        self._opened: dict[tuple[str, str], QueueStorage] = {}

    def open(self, connection: str, name: str) -> QueueStorage:
        """The queue `name` in the account of that connection; raises ValueError when no app setting has it."""
        key = connection, name
        if key not in self._opened:
            self._opened[key] = QueueStorage(connection_string(connection, self._environ), name, self._encoding)
        return self._opened[key]

    async def ensure(self) -> None:
        """Create all queues opened so far that are missing."""
        await asyncio.gather(*(queue.ensure() for queue in self._opened.values()))

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(queue.close() for queue in self._opened.values()))
