"""What every measure shares: the local stack, and the product inside this process over its real adapters."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import uuid4

import azure.functions as func
import jwt

from bench.floor import Floor
from local.client import KEY_VAULT, Client
from local.entra import seed
from local.environment import STATE, storage_connection_string
from local.host.bindings import Context, trace_parent
from local.stack import AZURITE, Stack
from shared.domain.caller import Permission
from shared.web.application import Application

if TYPE_CHECKING:
    from bench.hosts import Hosts

ORGANISATIONS = 80
"""Allowed tenants are a setting, so all are named before the product starts; a measure takes its own."""

NEVER = "0 0 0 1 1 *"
"""The timers of the functions host run once a year: a measure that wants a tick makes one."""


SCRATCH_OFFSETS = (9, 10, 11)
"""Ports of the scratch storage, counted from the stack's base."""


class BenchError(Exception):
    """What is measured did not do what it should."""


def settings(organisations: list[str]) -> dict[str, str]:
    """Those that differ from `make start`'s. Nobody is told of events: a topic is an option of the product."""
    return {
        "ALLOWED_TENANTS": ",".join(organisations),
        "EVENT_TOPIC_ENDPOINT": "",
        "WORK_SCHEDULE": NEVER,
        "UPKEEP_SCHEDULE": NEVER,
    }


class World:
    """The stack's emulators run; functions hosts are started by who needs one."""

    def __init__(self, stack: Stack, organisations: list[str], parts: AsyncExitStack, *, quick: bool) -> None:
        self.stack = stack
        self.quick = quick
        self._organisations = organisations
        self._parts = parts
        self.hosts: Hosts | None = None
        """Once a measure has started them."""

    @classmethod
    @asynccontextmanager
    async def over(cls, base: int, *, quick: bool) -> AsyncIterator[World]:
        """Start the emulators at `base`, and end everything at the end of the block."""
        organisations = [str(uuid4()) for _ in range(ORGANISATIONS)]
        stack = Stack(base, state=STATE / "bench", settings=settings(organisations), hidden_seconds=600, in_memory=True)
        stack.forget()
        async with AsyncExitStack() as parts:
            parts.push_async_callback(stack.processes.stop_all)
            await stack.start_emulators()
            os.environ.update(stack.settings)
            yield cls(stack, organisations, parts, quick=quick)

    def few(self, many: int, few: int) -> int:
        """`many`, or `few` of it where somebody only tries the benchmark out."""
        return few if self.quick else many

    def few_of(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """All sizes, or but the greatest of them where somebody only tries the benchmark out."""
        return sizes[:-1] if self.quick else sizes

    def say(self, what: str) -> None:
        """A line of progress."""
        print(f"  {time.strftime('%H:%M:%S')} {what}", flush=True)

    async def scratch_storage(self) -> str:
        """The connection string of an emulator of its own, for tables so large that they would slow all others."""
        blob, queue, table = (self.stack.ports.api + offset for offset in SCRATCH_OFFSETS)
        command = [
            str(AZURITE), "--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence",
            "--blobPort", str(blob), "--queuePort", str(queue), "--tablePort", str(table),
        ]  # fmt: skip
        await self.stack.processes.start("azurite-scratch", command, port=table)
        return storage_connection_string(replace(self.stack.ports, blob=blob, queue=queue, table=table))

    async def client(self) -> Client:
        """A program with every role in an organisation that nobody else uses."""
        token = await self.stack.token(tenant=self._organisations.pop(), roles=[each.value for each in Permission])
        return await self._parts.enter_async_context(Client(self.stack, token))

    async def floor(self) -> Floor:
        """The bare calls, over warm clients of their own."""
        return await self._parts.enter_async_context(Floor.open(self.stack.settings))

    @cached_property
    def functions(self) -> dict[str, Any]:
        """The product's functions by name, as the Functions worker finds them."""
        from function_app import app  # noqa: PLC0415 -- measured by another measure, and configured only now

        return {str(each.get_function_name()): each.get_user_function() for each in app.get_functions()}

    @property
    def app(self) -> Application:
        """The product's use cases in this process, over the real adapters."""
        from shared import bootstrap  # noqa: PLC0415 -- as above

        return bootstrap.application()

    def prepared(
        self,
        function: str,
        client: Client,
        *,
        body: Any = None,
        path: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
    ) -> Callable[[], Awaitable[bytes]]:
        """A call of a function of the product in this process, as the worker makes it: no host and no HTTP.

        What the worker does before is done here. The call must succeed; it answers the body.
        """
        headers = {"authorization": f"Bearer {client.token}", "content-type": "application/json"}
        raw = b"" if body is None else json.dumps(body).encode()
        url = f"{self.stack.api}{KEY_VAULT}?{urlencode(params or {})}"
        request = func.HttpRequest("POST", url, headers=headers, params=params, route_params=path, body=raw)
        context = Context(
            function_name=function, function_directory="", invocation_id=str(uuid4()), trace_parent=trace_parent(None)
        )
        act = self.functions[function]

        async def call() -> bytes:
            response: func.HttpResponse = await act(request, context)
            if response.status_code != 200:
                raise BenchError(f"{function} answered {response.status_code}: {response.get_body().decode()[:300]}")
            return response.get_body()

        return call

    async def codes(self, client: Client, count: int) -> list[str]:
        """Authorization codes, ready to be redeemed."""
        gate = asyncio.Semaphore(8)

        async def one() -> str:
            async with gate:
                return await client.code()

        return await asyncio.gather(*(one() for _ in range(count)))


def org_of(client: Client) -> str:
    """The organisation of a client's token."""
    claims: dict[str, Any] = jwt.decode(client.token, options={"verify_signature": False})
    return str(claims["tid"])


def wish(name: str, code: str, **rest: Any) -> dict[str, Any]:
    """The body that creates a connection from a code."""
    credentials = {"code": code, "tenantId": seed.CONTOSO_TENANT_ID}
    return {"name": name, "method": "oauth", "credentials": credentials, **rest}
